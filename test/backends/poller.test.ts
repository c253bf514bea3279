import { describe, expect, test } from 'vitest';
import { createHousekeeping } from '../../src/backends/housekeeping.ts';
import { createPoller, type Poller } from '../../src/backends/poller.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import type { LoadReading, SystemInfo } from '../../src/orthanc/orthanc.ts';
import { until } from '../support/wait.ts';
import { backendConfig, type Rig, rig } from './rig.ts';

const reading: LoadReading = {
  latencyMs: 2,
  jobsPending: 0,
  jobsRunning: 1,
  activeRequests: 1,
  instances: 9,
  diskBytes: 1_000,
};
const system: SystemInfo = {
  name: 'x',
  version: '1.12.7',
  dicomAet: 'X',
  dicomPort: 4242,
  overwriteInstances: false,
  ingestTranscoding: null,
  databaseId: null,
  storageCompression: false,
};
const answering = { load: () => Promise.resolve(reading), system: () => Promise.resolve(system) };

function pollerOf(
  r: Rig,
  orthancs: Readonly<Record<string, Pick<typeof answering, 'load' | 'system'>>>,
  sampleMs = 5_000,
  isFront: (backend: string) => Promise<boolean> = () => Promise.resolve(false),
): Poller {
  return createPoller({
    isFront,
    orthancs: new Map(Object.entries(orthancs)),
    pool: r.pool,
    ledger: r.ledger,
    sampleMs,
    clock: r.time.clock,
    log: silentLogger(),
    timers: r.time,
  });
}

describe('the poller', () => {
  test('a backend that is a front under another address never counts as up', async () => {
    await using r = await rig([backendConfig('a'), backendConfig('alias')]);
    const poller = pollerOf(r, { a: answering, alias: answering, front: answering }, 500, (backend) =>
      Promise.resolve(backend === 'alias'),
    );
    await poller.pollAll();
    r.time.advance(500);
    await poller.pollAll();
    expect(r.pool.status('a')?.health).toBe('up');
    expect(r.pool.status('alias')).toMatchObject({
      health: 'down',
      healthReason: expect.stringContaining('one of the fronts'),
    });
    expect(poller.states().get('front')?.health).toBe('up');
  });

  test('one that hangs delays nobody’s health, is asked once at a time, and counts as silent at its limit', async () => {
    await using r = await rig([backendConfig('a'), backendConfig('hung')]);
    let asked = 0;
    const hung = {
      ...answering,
      load: (): Promise<LoadReading> => {
        asked++;
        return new Promise(() => undefined);
      },
    };
    const poller = pollerOf(r, { a: answering, hung, front: answering }, 500);
    const round = poller.pollAll();
    await until(() => r.pool.status('a')?.health === 'up', { what: 'the health of the one that answers' });
    const second = poller.pollAll();
    expect(asked).toBe(1);
    await Promise.all([round, second]);
    expect(r.pool.status('hung')?.healthReason).toContain('did not answer in time');
    r.time.advance(500);
    await poller.pollAll();
    expect(r.pool.status('hung')?.health).toBe('down');
    expect(poller.states().get('front')).toMatchObject({ health: 'up', version: '1.12.7', latencyMs: 2 });
    const history = r.ledger.history({ from: 0, to: r.time.clock() + 1, resolution: 'raw', limit: 100 });
    expect(history.filter((point) => point.orthanc === 'hung').every((point) => point.up === 0)).toBe(true);
    expect(
      history.filter((point) => point.orthanc === 'front' && point.instances === 9).length,
    ).toBeGreaterThan(0);
    await poller.stop();
  });

  test('follows who comes, goes and moves; an answer from where one was says nothing about where it is', async () => {
    await using r = await rig([backendConfig('a'), backendConfig('b')]);
    const late = Promise.withResolvers<LoadReading>();
    const slow = { ...answering, load: () => late.promise };
    const poller = pollerOf(r, { a: answering, b: slow, front: answering });
    poller.start();
    await until(() => r.pool.health('a') === 'up', { what: 'the first poll' });
    const moved = { ...answering, load: () => Promise.reject(new Error('nobody is here')) };
    r.pool.configure([backendConfig('b', { url: 'http://elsewhere:1' }), backendConfig('c')]);
    poller.follow(new Map(Object.entries({ b: moved, c: answering, front: answering })));
    await until(() => r.pool.health('c') === 'up', { what: 'the new one to be looked at, at once' });
    late.resolve(reading);
    await poller.pollAll();
    expect(r.pool.health('b')).not.toBe('up');
    expect([...poller.states().keys()].toSorted()).toEqual(['b', 'c', 'front']);
    await poller.stop();
  });

  test('polls by its timer; a look after a failed transfer is taken once a second at most; stop ends it all', async () => {
    await using r = await rig([backendConfig('a')]);
    let asked = 0;
    const counting = {
      ...answering,
      load: () => {
        asked++;
        return Promise.resolve(reading);
      },
    };
    const poller = pollerOf(r, { a: counting });
    poller.start();
    await until(() => r.pool.status('a')?.version === '1.12.7', { what: 'the first poll' });
    for (let lane = 0; lane < 4; lane++) poller.pollNow('a');
    expect(asked).toBe(1);
    r.time.advance(1_000);
    await until(() => (poller.pollNow('a'), asked === 2), { what: 'the look' });
    // The look has to be over: a poll that is still under way is not begun again.
    await new Promise((resolve) => setImmediate(resolve));
    r.time.advance(4_000);
    await until(() => asked === 3, { what: 'the poll of the timer' });
    await poller.stop();
    r.time.advance(60_000);
    expect(asked).toBe(3);
    expect(r.time.waiting).toBe(0);
  });

  test('many are asked a few in each turn, all of them, and none any more once it is stopped', async () => {
    const many = Array.from({ length: 30 }, (_, index) => `orthanc${index}`);
    await using r = await rig(many.map((name) => backendConfig(name)));
    let asked = 0;
    const load = (): Promise<LoadReading> => {
      asked++;
      return Promise.resolve(reading);
    };
    const poller = pollerOf(r, Object.fromEntries(many.map((name) => [name, { ...answering, load }])));
    const round = poller.pollAll();
    expect(asked).toBeLessThan(10);
    await round;
    expect(asked).toBe(30);
    expect(r.pool.statuses().every(({ health }) => health === 'up')).toBe(true);
    const cut = poller.pollAll();
    await poller.stop();
    await cut;
    expect(asked).toBeLessThan(40);
  });

  test('a stop while one hangs does not wait, and calls nobody silent', async () => {
    await using r = await rig([backendConfig('hung')]);
    const poller = pollerOf(r, { hung: { ...answering, load: () => new Promise(() => undefined) } }, 60_000);
    poller.start();
    await poller.stop();
    expect(r.pool.status('hung')).toMatchObject({ health: 'unknown', healthReason: 'not heard from yet' });
  });
});

test('housekeeping rolls up at its start, and a ledger that fails does not stop it', async () => {
  const calls: string[] = [];
  const housekeeping = createHousekeeping({
    ledger: {
      rollUp: () => {
        calls.push('roll-up');
        throw new LedgerError('full', 'no space');
      },
      thin: () => calls.push('thin'),
    },
    keep: { keepRawMs: 1, keepMinutesMs: 1, keepHoursMs: 1 },
    clock: Date.now,
    log: silentLogger(),
  });
  housekeeping.start();
  expect(calls).toEqual(['roll-up']);
  await housekeeping.stop();
});
