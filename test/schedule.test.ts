import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../src/log.ts';
import { schedule } from '../src/schedule.ts';
import { until } from './support/wait.ts';

const RealDate = Date;

/** The wall clock of this process is wrong by so much; timers and the monotonic clock are not. */
function setClock(shiftMs: number): void {
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [target.now() + shiftMs] : args, newTarget),
    get: (target, name) => (name === 'now' ? () => target.now() + shiftMs : Reflect.get(target, name)),
  });
}

afterEach(() => {
  globalThis.Date = RealDate;
});

test.each([
  ['back', -3_600_000],
  ['forward', 26 * 3_600_000],
])(
  'a job goes on every second when the clock is set %s, and when it is set right again',
  async (_, shiftMs) => {
    let runs = 0;
    const job = (): void => {
      runs++;
    };
    const more = async (count: number): Promise<void> => {
      const before = runs;
      await until(() => runs >= before + count, { what: `${count} more runs`, timeoutMs: 10_000 });
    };
    const scheduled = schedule('test', '* * * * * *', job, silentLogger());
    try {
      await more(1);
      setClock(shiftMs);
      await more(2);
      globalThis.Date = RealDate;
      await more(2);
    } finally {
      await scheduled.stop();
    }
  },
);

test('never beside itself, whatever the clock does', async () => {
  let under = 0;
  let most = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const scheduled = schedule(
    'test',
    '* * * * * *',
    async () => {
      runs++;
      most = Math.max(most, ++under);
      await gate.promise;
      under--;
    },
    silentLogger(),
  );
  try {
    await until(() => runs === 1, { what: 'the first run' });
    setClock(-3_600_000);
    const asked = performance.now();
    await until(() => performance.now() - asked > 3500, { what: 'the schedule to begin anew' });
    expect(most).toBe(1);
    gate.resolve();
    await until(() => runs > 1, { what: 'the next run' });
  } finally {
    await scheduled.stop();
  }
});
