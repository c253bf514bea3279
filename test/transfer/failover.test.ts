import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { policyNamed } from '../../src/decision/policies.ts';
import { silentLogger } from '../../src/log.ts';
import { OrthancError } from '../../src/orthanc/orthanc.ts';
import type { DeliveryOutcome } from '../../src/study.ts';
import type { Failover } from '../../src/transfer/failover.ts';
import { createFailover, type FailoverDeps } from '../../src/transfer/failover-live.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';

const names = ['orthanc1', 'orthanc2', 'orthanc3'] as const;
type Name = (typeof names)[number];
const rebindAfterMs = 30_000;
const healAfterMs = 600_000;

let bench: Rig;
let failover: Failover;
let rebound: string[];
/** What each says that it holds of any study; null: it does not answer. */
let holds: Record<Name, number | null>;

beforeEach(async () => {
  bench = await rig(names.map((name) => backendConfig(name)));
  bench.allUp();
  rebound = [];
  holds = { orthanc1: 0, orthanc2: 0, orthanc3: 0 };
  failover = create();
});
afterEach(async () => {
  await failover.stop();
  await bench[Symbol.asyncDispose]();
});

function create(over: Partial<FailoverDeps> = {}): Failover {
  return createFailover({
    ledger: bench.ledger,
    pool: bench.pool,
    backends: new Map(
      names.map((name) => [
        name,
        {
          studyInstances: () => {
            const held = holds[name];
            return held === null
              ? Promise.reject(new OrthancError(name, 'unreachable', 'gone'))
              : Promise.resolve(held);
          },
        },
      ]),
    ),
    expected: ({ instances, bytes }) => ({ instances, bytes, arrivesIn: 0 }),
    policy: () => policyNamed('least-in-flight'),
    rebindAfterMs,
    healAfterMs,
    lookupTimeoutMs: 100,
    clock: bench.time.clock,
    log: silentLogger(),
    onRebound: (study, backend) => rebound.push(`${study} ${backend}`),
    ...over,
  });
}

/** So many instances of a study that is bound to this backend. */
function bound(studyUid: string, backend: string, instances = 2): void {
  const { ledger, time } = bench;
  for (let n = 0; n < instances; n++) ledger.received(arrival(studyUid), time.clock());
  ledger.decide({
    studyUid,
    copy: 0,
    at: time.clock(),
    policy: 'round-robin',
    kind: 'placed',
    backend,
    reason: 'for a test',
    considered: [],
  });
}

function deliver(backend: string, outcome: DeliveryOutcome): void {
  const { ledger, time } = bench;
  const transfer = ledger.claim(backend, { instances: 1000, bytes: 1e9 }, time.clock());
  if (transfer === null) throw new Error(`nothing waits for ${backend}`);
  ledger.conclude(
    transfer.id,
    { at: time.clock(), code: 'done', detail: '', bytesSent: 0, instancesSent: 0 },
    new Map(transfer.deliveries.map(({ id }) => [id, outcome])),
  );
}
const proven: DeliveryOutcome = { kind: 'proven', md5: '0'.repeat(32), bytes: 1000 };

function leavesFront(studyUid: string): void {
  const { ledger, time } = bench;
  for (const { front, orthancIds } of ledger.beginRemoval(studyUid, time.clock(), time.clock())) {
    ledger.removed(front, orthancIds, time.clock());
  }
}

function down(name: string): void {
  for (let n = 0; n < 2; n++) {
    bench.pool.observed(name, {
      at: bench.time.clock(),
      up: false,
      reason: 'connection refused',
      latencyMs: null,
    });
  }
}

function up(name: string): void {
  bench.pool.observed(name, { at: bench.time.clock(), up: true, reason: null, latencyMs: 1 });
}

const whereIs = (studyUid: string): string | undefined => bench.ledger.assignments(studyUid)[0]?.backend;

describe('a backend that is out', () => {
  test('loses its whole studies after a while, and not before, with the reason', async () => {
    bound('1.1', 'orthanc1');
    bound('1.2', 'orthanc1');
    deliver('orthanc1', proven);
    bound('2.1', 'orthanc2');
    down('orthanc1');
    bench.time.advance(rebindAfterMs - 1);
    await failover.check();
    expect(rebound).toEqual([]);
    bench.time.advance(1);
    await failover.check();
    expect(rebound).toHaveLength(2);
    expect([whereIs('1.1'), whereIs('1.2')]).not.toContain('orthanc1');
    expect(whereIs('2.1')).toBe('orthanc2');
    const last = bench.ledger
      .decisions('1.1')
      .toSorted((a, b) => a.id - b.id)
      .at(-1);
    expect(last).toMatchObject({ kind: 'rebound', epoch: 2 });
    expect(last?.reason).toMatch(
      /^rebound from orthanc1, out since 2026-03-01T12:00:00\.000Z: .*connection refused/,
    );
    // Proven there, and not where it is now: delivered again, and what orthanc1 has is followed up.
    expect(bench.ledger.study('1.1')).toMatchObject({ state: 'assigned', instances: { verified: 0 } });
    expect(bench.ledger.formerCopies({ studyUid: '1.1' })).toMatchObject([{ backend: 'orthanc1' }]);
  });

  test('that comes back in time keeps them', async () => {
    bound('1.1', 'orthanc1');
    down('orthanc1');
    bench.time.advance(rebindAfterMs - 1);
    up('orthanc1');
    bench.time.advance(rebindAfterMs);
    await failover.check();
    expect(rebound).toEqual([]);
  });

  test('keeps a torn study until something of it has waited long', async () => {
    bound('1.1', 'orthanc1');
    deliver('orthanc1', proven);
    leavesFront('1.1');
    down('orthanc1');
    bench.time.advance(healAfterMs);
    await failover.check();
    expect(rebound).toEqual([]);
    bench.ledger.received(arrival('1.1'), bench.time.clock());
    bench.time.advance(healAfterMs - 1);
    await failover.check();
    expect(rebound).toEqual([]);
    bench.time.advance(1);
    await failover.check();
    expect(rebound).toHaveLength(1);
  });

  test('waits with all the others when every one is out, looked at and said once', async () => {
    const log = silentLogger();
    const said: string[] = [];
    log.warn = (...words: unknown[]) => {
      said.push(JSON.stringify(words));
      return log;
    };
    let pictures = 0;
    const pool: Rig['pool'] = {
      ...bench.pool,
      candidates() {
        pictures += 1;
        return bench.pool.candidates();
      },
    };
    failover = create({ log, pool });
    bound('1.1', 'orthanc1');
    bound('2.1', 'orthanc2');
    for (const name of names) down(name);
    bench.time.advance(rebindAfterMs);
    await failover.check();
    expect(pictures).toBe(1);
    await failover.check();
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('studies of orthanc1, orthanc2, orthanc3 wait: no other backend can take them');
    expect([whereIs('1.1'), whereIs('2.1')]).toEqual(['orthanc1', 'orthanc2']);
    up('orthanc3');
    await failover.check();
    expect([whereIs('1.1'), whereIs('2.1')]).toEqual(['orthanc3', 'orthanc3']);
  });

  test('keeps them all when that is what the topology says', async () => {
    failover = create({ rebindAfterMs: null });
    bound('1.1', 'orthanc1');
    down('orthanc1');
    bench.time.advance(rebindAfterMs * 10);
    await failover.check();
    expect(rebound).toEqual([]);
  });

  test('gives to nobody who is out too, in drain, or without weight', async () => {
    bound('1.1', 'orthanc1');
    down('orthanc1');
    down('orthanc2');
    bench.pool.setOperator('orthanc3', { state: 'drain' }, bench.time.clock());
    bench.time.advance(rebindAfterMs * 2);
    await failover.check();
    expect(whereIs('1.1')).toBe('orthanc1');
    up('orthanc2');
    await failover.check();
    expect(whereIs('1.1')).toBe('orthanc2');
  });

  test('does not give one to a backend that is just being asked to delete it', async () => {
    bound('1.1', 'orthanc1');
    const by = { studyUid: '1.1', copy: 0, who: 'a test' };
    failover.rebind({ ...by, backend: 'orthanc2' });
    deliver('orthanc2', proven);
    const [former] = bench.ledger.formerCopies();
    bench.ledger.beginFormerRemoval(former?.id ?? 0, [], bench.time.clock());
    bench.pool.setOperator('orthanc3', { weight: 0 }, bench.time.clock());
    down('orthanc2');
    bench.time.advance(rebindAfterMs);
    rebound.length = 0;
    await failover.check();
    expect(rebound).toEqual([]);
    expect(() => failover.rebind({ ...by, backend: 'orthanc1' })).toThrow(
      expect.objectContaining({ code: 'being-deleted-there' }),
    );
    bench.pool.setOperator('orthanc3', { weight: 1 }, bench.time.clock());
    await failover.check();
    expect(whereIs('1.1')).toBe('orthanc3');
  });

  test('spreads its studies, and gives the event loop back in between', async () => {
    for (let n = 0; n < 1000; n++) bound(`1.${n}`, 'orthanc1', 1);
    down('orthanc1');
    bench.time.advance(rebindAfterMs);
    // By the processor's time and not the wall's: other tests run beside this one.
    const used = (): number => {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    };
    const turns: number[] = [];
    let last = used();
    const watch = setInterval(() => {
      turns.push(used() - last);
      last = used();
    }, 1);
    await failover.check();
    clearInterval(watch);
    expect(rebound).toHaveLength(1000);
    const given = (name: string): number => rebound.filter((line) => line.endsWith(name)).length;
    expect(given('orthanc2')).toBeGreaterThan(400);
    expect(given('orthanc3')).toBeGreaterThan(400);
    expect(turns.length).toBeGreaterThan(30);
    expect(Math.max(...turns)).toBeLessThan(60);
  });

  test('that has left the topology is out from the start', async () => {
    bound('1.1', 'orthanc9');
    bench.time.advance(rebindAfterMs);
    await failover.check();
    expect(names).toContain(whereIs('1.1'));
  });
});

test.each([
  ['says that it holds nothing: what comes later is known to be ours', 0, true],
  ['holds some of it: each instance is asked for', 3, false],
  ['does not answer: each instance is asked for', null, false],
] as const)('a new backend that %s', async (_what, answer, clean) => {
  holds.orthanc2 = answer;
  bench.pool.setOperator('orthanc3', { weight: 0 }, bench.time.clock());
  bound('1.1', 'orthanc1');
  down('orthanc1');
  bench.time.advance(rebindAfterMs);
  await failover.check();
  const transfer = bench.ledger.claim('orthanc2', { instances: 10, bytes: 1e9 }, bench.time.clock());
  expect(transfer?.deliveries).toHaveLength(2);
  for (const delivery of transfer?.deliveries ?? []) {
    expect(delivery).toMatchObject({ askFirst: !clean, ours: clean });
  }
});

describe('an instance that is refused', () => {
  const refused: DeliveryOutcome = { kind: 'refused', detail: 'no room for it' };

  test('takes its study from backend to backend, and into quarantine when there is none left', async () => {
    bound('1.1', 'orthanc1', 1);
    const seen: (string | undefined)[] = [];
    for (let turn = 0; turn < 3; turn++) {
      seen.push(whereIs('1.1'));
      deliver(whereIs('1.1') ?? '', refused);
      await failover.check();
    }
    expect(new Set(seen)).toEqual(new Set(names));
    expect(bench.ledger.study('1.1')?.state).toBe('quarantined');
    const { items } = bench.ledger.quarantined({ limit: 1 });
    expect(items[0]).toMatchObject({ code: 'refused' });
    for (const name of names) expect(items[0]?.detail).toContain(name);
  });

  test('waits for one that is only down at the moment', async () => {
    bound('1.1', 'orthanc1', 1);
    bench.pool.setOperator('orthanc3', { weight: 0 }, bench.time.clock());
    down('orthanc2');
    deliver('orthanc1', refused);
    await failover.check();
    expect(bench.ledger.study('1.1')?.state).toBe('assigned');
    up('orthanc2');
    await failover.check();
    expect(whereIs('1.1')).toBe('orthanc2');
  });

  test('does not tear its study apart', async () => {
    bound('1.1', 'orthanc1', 1);
    deliver('orthanc1', proven);
    leavesFront('1.1');
    bench.ledger.received(arrival('1.1'), bench.time.clock());
    deliver('orthanc1', refused);
    await failover.check();
    expect(whereIs('1.1')).toBe('orthanc1');
    expect(bench.ledger.study('1.1')?.state).toBe('quarantined');
  });
});

describe('by hand', () => {
  test('to a backend that a person names, whatever its state, or to one the policy chooses', () => {
    bound('1.1', 'orthanc1');
    down('orthanc2');
    const request = { studyUid: '1.1', copy: 0, who: 'a test' };
    expect(failover.rebind({ ...request, backend: 'orthanc2' })).toMatchObject({
      backend: 'orthanc2',
      epoch: 2,
    });
    expect(failover.rebind({ ...request, backend: null })).toMatchObject({ epoch: 3 });
    expect(bench.ledger.auditTrail({ limit: 5 }).items).toMatchObject([
      { action: 'rebind', target: '1.1', who: 'a test' },
      { action: 'rebind' },
    ]);
    expect(rebound).toHaveLength(2);
  });

  test('says why not', () => {
    bound('1.1', 'orthanc1');
    bench.ledger.received(arrival('1.2'), bench.time.clock());
    const refusal = (studyUid: string, backend: string | null): unknown => {
      try {
        return failover.rebind({ studyUid, copy: 0, backend, who: 'a test' });
      } catch (error) {
        return error;
      }
    };
    expect(refusal('9.9', 'orthanc2')).toMatchObject({ code: 'unknown-study' });
    expect(refusal('1.2', 'orthanc2')).toMatchObject({ code: 'not-placed' });
    expect(refusal('1.1', 'orthanc9')).toMatchObject({ code: 'unknown-backend' });
    expect(refusal('1.1', 'orthanc1')).toMatchObject({ code: 'already-there' });
    down('orthanc2');
    down('orthanc3');
    expect(refusal('1.1', null)).toMatchObject({ code: 'no-other-backend' });
    expect(bench.ledger.auditTrail({ limit: 5 }).items).toEqual([]);
  });
});
