import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectedCompletion } from '../../src/decision/policies/expected-completion.ts';
import { policyNamed } from '../../src/decision/policies.ts';
import type { Policy } from '../../src/decision/policy.ts';
import type { Transfer } from '../../src/study.ts';
import { arrival } from '../backends/rig.ts';
import { placing } from '../ledger/driving.ts';
import { until } from '../support/wait.ts';
import { type Desk, desk, empty, never, receive, uids } from './desk.ts';

const late = { policy: () => expectedCompletion };

/** Starts a transfer to the backend, if something waits for it and a lane is free. */
function begin(d: Desk, backend: string): Transfer | null {
  if (d.pool.freeLanes(backend) === 0) return null;
  const transfer = d.ledger.claim(backend, { instances: 50, bytes: 64e6 }, d.time.clock());
  if (transfer !== null) d.pool.laneTaken(backend);
  return transfer;
}

/** It arrived, proven. */
function end(d: Desk, { id, backend, deliveries }: Transfer): void {
  d.ledger.conclude(
    id,
    { at: d.time.clock(), code: 'done', detail: '', bytesSent: 1, instancesSent: deliveries.length },
    new Map(deliveries.map((delivery) => [delivery.id, { kind: 'proven', md5: 'm', bytes: null }])),
  );
  d.pool.transferSucceeded(backend, d.time.clock());
  d.pool.laneFreed(backend);
}

/** Both lanes of these backends carry a study of 50 images. */
function fill(d: Desk, backends: readonly string[]): Transfer[] {
  return backends.flatMap((backend) =>
    [1, 2].flatMap((lane) => {
      const studyUid = `9.${backend.charCodeAt(0)}.${lane}`;
      receive(d, [studyUid], 50);
      d.ledger.decide(placing(backend, { studyUid }));
      return begin(d, backend) ?? [];
    }),
  );
}

const assigned = (d: Desk, uid: string): string | null => d.ledger.assignments(uid)[0]?.backend ?? null;

describe('a study that waits unbound', () => {
  test('says why, once and without figures, and is bound the moment a lane is free, the oldest first', async () => {
    await using d = await desk({ a: empty, b: empty }, late);
    d.allUp();
    const busy = fill(d, ['a', 'b']);
    d.dispatcher.start();
    for (const uid of uids(3)) {
      receive(d, [uid], 50);
      d.time.advance(10);
    }
    for (let ticks = 0; ticks < 5; ticks++) {
      await d.dispatcher.tick();
      d.time.advance(1_000);
    }
    expect(d.placed).toEqual([]);
    const reason = 'waits for a free lane: every backend has its lanes full';
    expect(d.ledger.study('1.2.1')).toMatchObject({ state: 'received', waiting: reason });
    expect(d.ledger.decisions('1.2.1').map(({ kind }) => kind)).toEqual(['waiting']);
    expect(d.ledger.study('1.2.3')?.waiting).not.toBeNull();

    const [, , first, second] = busy;
    if (first === undefined || second === undefined) throw new Error('the lanes of b are not busy');
    end(d, first);
    await until(() => d.placed.length > 0, { what: 'one placement' });
    begin(d, 'b');
    await d.dispatcher.tick();
    expect(d.placed).toEqual(['1.2.1 b']);
    end(d, second);
    await until(() => d.placed.length > 1, { what: 'the next placement' });
    begin(d, 'b');
    await d.dispatcher.tick();
    expect(d.placed).toEqual(['1.2.1 b', '1.2.2 b']);
  });

  test('is not held up by the death of the backend it waits for', async () => {
    await using d = await desk({ a: empty, b: empty }, late);
    d.allUp();
    const open = fill(d, ['a', 'b']).filter(({ backend }) => backend === 'b');
    d.dispatcher.start();
    receive(d, uids(6), 50);
    await d.dispatcher.tick();
    expect(d.placed).toEqual([]);
    for (let misses = 0; misses < 2; misses++) {
      d.pool.observed('a', { at: d.time.clock(), up: false, reason: 'connection refused', latencyMs: null });
    }
    for (let placed = 1; placed <= 6; placed++) {
      const first = open.shift();
      if (first !== undefined) end(d, first);
      await until(() => d.placed.length >= placed, { what: `placement ${placed}` });
      for (let next = begin(d, 'b'); next !== null; next = begin(d, 'b')) open.push(next);
    }
    expect(d.placed).toEqual(uids(6).map((uid) => `${uid} b`));
  });

  test('goes where the rest of it is, at once, whether a lane is free there or not', async () => {
    await using d = await desk({ a: empty, b: (uid) => Promise.resolve(uid === '1.2.150' ? 3 : 0) }, late);
    d.allUp();
    fill(d, ['a', 'b']);
    receive(d, uids(150));
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.placed).toEqual(['1.2.150 b']);
  });

  test('is looked up again before it is bound, if that was long ago: it may have come there by another way', async () => {
    let holds = 0;
    await using d = await desk({ a: empty, b: () => Promise.resolve(holds) }, late);
    d.allUp();
    const [first] = fill(d, ['a', 'b']);
    d.dispatcher.start();
    receive(d, ['1.2.1']);
    await d.dispatcher.tick();
    d.time.advance(60_000);
    holds = 5;
    if (first !== undefined) end(d, first);
    await until(() => d.placed.length === 1, { what: 'the placement' });
    expect(d.placed).toEqual(['1.2.1 b']);
    expect(d.ledger.decisions('1.2.1').at(-1)).toMatchObject({ kind: 'followed' });
  });

  test('lets others pass while a backend that hangs is given its time to answer about it', async () => {
    await using d = await desk({ a: empty, hung: never }, { ...late, lookupTimeoutMs: 2_000 });
    d.allUp();
    const [first] = fill(d, ['a', 'hung']);
    d.dispatcher.start();
    receive(d, ['1.2.1'], 50);
    d.time.advance(10);
    receive(d, ['1.2.2'], 50);
    await d.dispatcher.tick();
    d.time.advance(60_000);
    if (first !== undefined) end(d, first);
    // Both are looked up once more; one of them tries the backend that hangs with its full time.
    await until(
      () => {
        d.time.advance(50);
        return d.placed.length > 0;
      },
      { what: 'the one behind it' },
    );
    expect(d.placed).toEqual(['1.2.2 a']);
  });

  test('is forgotten when somebody takes it off its front, and its place with it', async () => {
    await using d = await desk({ a: empty }, late);
    d.allUp();
    const [first] = fill(d, ['a']);
    d.dispatcher.start();
    const one = arrival('1.2.1');
    d.ledger.received(one, d.time.clock());
    d.time.advance(10);
    receive(d, ['1.2.2']);
    await d.dispatcher.tick();
    d.ledger.absent('front', [one.orthancId], d.time.clock());
    d.time.advance(6_000);
    if (first !== undefined) end(d, first);
    await until(() => d.placed.length === 1, { what: 'the placement' });
    expect(d.placed).toEqual(['1.2.2 a']);
    expect(assigned(d, '1.2.1')).toBeNull();
  });

  test('has its chances previewed, and nothing is kept of that', async () => {
    await using d = await desk({ a: empty, b: empty }, late);
    d.allUp();
    fill(d, ['a', 'b']);
    d.dispatcher.start();
    receive(d, uids(2));
    await d.dispatcher.tick();
    const seen = d.dispatcher.preview('1.2.2', expectedCompletion);
    expect(seen?.map(({ backend }) => backend)).toEqual(['a', 'b']);
    expect(seen?.every(({ score }) => score !== null)).toBe(true);
    expect(d.dispatcher.preview('1.2.9', expectedCompletion)).toBeNull();
    expect(d.ledger.decisions('1.2.2')).toHaveLength(1);
  });
});

describe('the queue', () => {
  test('studies that fit on no disk stand aside for those that do, however many they are', async () => {
    await using d = await desk(
      { a: empty },
      {
        ...late,
        expected: ({ instances, bytes }) => ({
          instances,
          bytes: bytes > 1_000 ? 1e15 : bytes,
          arrivesIn: 0,
        }),
      },
      {},
      { a: { disk: 1e12 } },
    );
    d.pool.observed('a', { at: d.time.clock(), up: true, reason: null, latencyMs: 1, diskBytes: 0 });
    for (let index = 0; index < 300; index++) {
      d.ledger.received(arrival(`1.3.${index}`, { bytes: 5_000 }), d.time.clock());
    }
    d.time.advance(100);
    receive(d, ['1.2.1']);
    d.dispatcher.start();
    await d.dispatcher.tick();
    await until(() => d.placed.length === 1, { what: 'the small one to be placed' });
    expect(d.placed).toEqual(['1.2.1 a']);
    expect(d.ledger.study('1.3.7')?.waiting).toContain('too little free on its disk');
  });

  test('ten thousand that wait cost a tick no more than one round', async () => {
    let asked = 0;
    const counting: Policy = {
      ...expectedCompletion,
      choose(...of) {
        asked++;
        return expectedCompletion.choose(...of);
      },
    };
    await using d = await desk({ a: empty, b: empty }, { policy: () => counting });
    d.allUp();
    fill(d, ['a', 'b']);
    receive(d, uids(10_000));
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.placed).toEqual([]);
    expect(asked).toBeLessThanOrEqual(500);
    const [before, began] = [asked, process.cpuUsage()];
    for (let ticks = 0; ticks < 10; ticks++) await d.dispatcher.tick();
    expect((asked - before) / 10).toBeLessThanOrEqual(128);
    const { user, system } = process.cpuUsage(began);
    expect((user + system) / 1e6 / 10).toBeLessThan(0.15);
    expect(d.ledger.study('1.2.9999')?.waiting).toBe(
      'waits its turn: studies that came before it are placed first',
    );
  });

  test('another policy, or order, counts for what waits from then on', async () => {
    let policy = expectedCompletion;
    await using d = await desk({ a: empty, b: empty }, { policy: () => policy });
    d.allUp();
    const [first] = fill(d, ['a', 'b']);
    d.dispatcher.start();
    receive(d, ['1.2.1'], 99);
    d.time.advance(10);
    receive(d, ['1.2.2'], 1);
    await d.dispatcher.tick();
    policy = policyNamed('expected-completion', { order: 'express' });
    d.dispatcher.policyChanged();
    if (first !== undefined) end(d, first);
    await until(() => d.placed.length > 0, { what: 'the small one' });
    begin(d, 'a');
    await d.dispatcher.tick();
    expect(d.placed).toEqual(['1.2.2 a']);
    policy = policyNamed('least-in-flight');
    d.dispatcher.policyChanged();
    await until(() => d.placed.length === 2, { what: 'a policy that waits for no lane' });
  });
});

const farm = ['a', 'b', 'c'];
const event = fc.oneof(
  fc.record({ kind: fc.constant('study' as const), instances: fc.integer({ min: 1, max: 120 }) }),
  fc.record({
    kind: fc.constantFrom('take', 'free', 'down', 'up', 'drain', 'ready'),
    of: fc.constantFrom(...farm),
  }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

/** Lets things happen to a desk of these three backends. */
function player(d: Desk): {
  readonly studies: () => number;
  readonly play: (one: Event) => void;
  /** Whatever can go to the backend is on its way. */
  readonly work: (name: string) => void;
  /** The oldest transfer to it is over. */
  readonly arrived: (name: string) => void;
} {
  const open = new Map<string, Transfer[]>(farm.map((name) => [name, []]));
  let studies = 0;
  const work = (name: string): void => {
    for (let next = begin(d, name); next !== null; next = begin(d, name)) open.get(name)?.push(next);
  };
  const arrived = (name: string): void => {
    const first = open.get(name)?.shift();
    if (first !== undefined) end(d, first);
  };
  return {
    studies: () => studies,
    work,
    arrived,
    play(one) {
      const now = d.time.clock();
      if (one.kind === 'study') {
        receive(d, [`1.2.${++studies}`], one.instances);
        d.dispatcher.studyWaits(`1.2.${studies}`);
      } else if (one.kind === 'time') d.time.advance(one.ms);
      else if ('of' in one) {
        const { of } = one;
        if (one.kind === 'take') work(of);
        else if (one.kind === 'free') arrived(of);
        else if (one.kind === 'up') d.pool.observed(of, { at: now, up: true, reason: null, latencyMs: 1 });
        else if (one.kind === 'down') {
          for (let misses = 0; misses < 2; misses++)
            d.pool.observed(of, { at: now, up: false, reason: 'gone', latencyMs: null });
        } else if (one.kind === 'drain' || one.kind === 'ready')
          d.pool.setOperator(of, { state: one.kind }, now);
      }
    },
  };
}

test('whatever happens to lanes and backends: every study is bound once, and none is left when all is well again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 40 }), async (events) => {
      await using d = await desk({ a: empty, b: empty, c: empty }, late);
      d.allUp();
      d.dispatcher.start();
      const { play, work, arrived, studies } = player(d);
      for (const one of events) {
        play(one);
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const name of farm) d.pool.setOperator(name, { state: 'ready' }, d.time.clock());
      d.allUp();
      for (
        let rounds = 0;
        rounds < 1_000 && d.ledger.queue().instances + d.ledger.queue().unplacedStudies > 0;
        rounds++
      ) {
        await d.dispatcher.tick();
        for (const name of farm) {
          work(name);
          arrived(name);
        }
      }
      expect(d.ledger.queue()).toMatchObject({ instances: 0, unplacedStudies: 0 });
      expect(new Set(d.placed.map((line) => line.split(' ')[0])).size).toBe(studies());
      expect(d.placed).toHaveLength(studies());
    }),
    { numRuns: 15 },
  );
});

test('that a round ends where no lane is free changes no placement and nothing that the ledger keeps', async () => {
  const { lateBinding: _, ...asking } = expectedCompletion;
  const outcome = async (policy: Policy, events: readonly Event[]): Promise<unknown> => {
    await using d = await desk({ a: empty, b: empty, c: empty }, { policy: () => policy });
    d.allUp();
    d.dispatcher.start();
    const { play, studies } = player(d);
    for (const one of events) {
      play(one);
      // Once more: what was looked up while the rounds were at rest is decided by the second.
      for (let ticks = 0; ticks < 2; ticks++) await d.dispatcher.tick();
    }
    return { placed: [...d.placed], decisions: uids(studies()).map((uid) => d.ledger.decisions(uid)) };
  };
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 40 }), async (events) => {
      expect(await outcome(expectedCompletion, events)).toEqual(await outcome(asking, events));
    }),
    { numRuns: 8 },
  );
});
