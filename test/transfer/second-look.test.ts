import { expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import type { DeliveryOutcome, QuarantineCode } from '../../src/study.ts';
import { createQuarantineDesk } from '../../src/transfer/quarantine.ts';
import { createSecondLook } from '../../src/transfer/second-look.ts';
import { arrivalOf, claimed, concludeAll, newLedger, placing, proven } from '../ledger/support.ts';

const second = 1000;

async function quarantineOf(code: QuarantineCode) {
  const { ledger } = await newLedger();
  let now = 1000;
  const clock = () => now;
  const outcome: DeliveryOutcome = { kind: 'quarantine', code, detail: 'as it seems' };
  ledger.received(arrivalOf(1), now);
  ledger.decide(placing('a'));
  const conclude = (how: DeliveryOutcome) => concludeAll(ledger, claimed(ledger, 'a', now), how, now);
  conclude(outcome);
  const requeued: string[] = [];
  const desk = createQuarantineDesk({
    ledger,
    fronts: new Map(),
    backends: new Map(),
    transferTimeout: { baseMs: 1000, bytesPerSecond: 1000 },
    clock,
    log: silentLogger(),
    onRequeued: (study) => requeued.push(study),
  });
  const secondLook = createSecondLook({
    ledger,
    again: (instance) => desk.again(instance),
    clock,
    log: silentLogger(),
  });
  return {
    ledger,
    requeued,
    outcome,
    conclude,
    /** So much later. */
    lookAfter: (ms: number): number => {
      now += ms;
      return secondLook.look();
    },
  };
}

test.each(['conflict', 'unreadable'] as const)(
  '%s: tried again ever more rarely while the reason stays',
  async (code) => {
    const { lookAfter, conclude, outcome, requeued, ledger } = await quarantineOf(code);
    expect(lookAfter(0)).toBe(0);
    expect(lookAfter(19 * second)).toBe(0);
    expect(lookAfter(second)).toBe(1);
    expect(requeued).toEqual(['1.2.3']);
    // Not in quarantine at this moment: there is nothing to look at.
    expect(lookAfter(second)).toBe(0);
    conclude(outcome);
    expect(lookAfter(38 * second)).toBe(0);
    expect(lookAfter(second)).toBe(1);
    conclude(outcome);
    expect(lookAfter(79 * second)).toBe(0);
    expect(lookAfter(second)).toBe(1);
    conclude(proven);
    expect(ledger.queue().quarantined).toBe(0);
    expect(ledger.study('1.2.3')?.state).toBe('verified');
  },
);

test('what every backend refused waits for a person', async () => {
  const { lookAfter, ledger } = await quarantineOf('refused');
  for (let minute = 0; minute < 1000; minute++) expect(lookAfter(60 * second)).toBe(0);
  expect(ledger.queue().quarantined).toBe(1);
});

test('at the most 4 times a day in the long run', async () => {
  const { lookAfter, conclude, outcome } = await quarantineOf('conflict');
  let looks = 0;
  const minutesOfADay = 1440;
  for (let minute = 0; minute < 8 * minutesOfADay; minute++) {
    if (lookAfter(60 * second) === 0) continue;
    if (minute >= 2 * minutesOfADay) looks++;
    conclude(outcome);
  }
  expect(looks).toBeLessThanOrEqual(6 * 4);
  expect(looks).toBeGreaterThanOrEqual(6 * 4 - 2);
});
