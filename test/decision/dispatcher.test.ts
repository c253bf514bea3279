import { describe, expect, test } from 'vitest';
import { createDispatcher, type Dispatcher, type DispatcherOptions } from '../../src/decision/dispatcher.ts';
import { leastInFlight } from '../../src/decision/policies/least-in-flight.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import { arrival } from '../backends/rig.ts';
import { until } from '../support/wait.ts';
import { type Ask, type Desk, desk, empty, never, receive, uids } from './desk.ts';

describe('the dispatcher', () => {
  test('places each study once, however often it is said to wait', async () => {
    let asked = 0;
    const counting: Ask = () => {
      asked++;
      return Promise.resolve(0);
    };
    await using d = await desk({ a: counting, b: counting });
    d.allUp();
    d.dispatcher.start();
    receive(d, ['1.2.1'], 3);
    for (let times = 0; times < 5; times++) d.dispatcher.studyWaits('1.2.1');
    await d.dispatcher.tick();
    for (let times = 0; times < 5; times++) d.dispatcher.studyWaits('1.2.1');
    await d.dispatcher.tick();
    expect(d.placed).toEqual(['1.2.1 a']);
    expect(asked).toBe(2);
    expect(d.ledger.decisions('1.2.1')).toHaveLength(1);
    expect(d.ledger.assignments('1.2.1')).toMatchObject([{ backend: 'a', epoch: 1, copy: 0 }]);
  });

  test('nothing happens in the turn of the event loop in which a study is announced', async () => {
    let asked = 0;
    await using d = await desk({
      a: () => {
        asked++;
        return Promise.resolve(0);
      },
    });
    d.allUp();
    d.dispatcher.start();
    receive(d, ['1.2.1']);
    d.dispatcher.studyWaits('1.2.1');
    await Promise.resolve();
    expect(asked).toBe(0);
    await until(() => d.placed.length === 1, { what: 'the placement' });
  });

  test('takes up at its start what the ledger has unplaced, oldest first', async () => {
    await using d = await desk({ a: empty, b: empty });
    receive(d, uids(300));
    d.allUp();
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.placed).toHaveLength(300);
    expect(d.pool.statuses().map((status) => status.studiesInFlight)).toEqual([150, 150]);
  });

  test('counts its own placements within a batch: weights hold exactly', async () => {
    await using d = await desk({ a: empty, b: empty, c: empty }, {}, { a: 1, b: 2, c: 5 });
    d.allUp();
    receive(d, uids(80), 2);
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.pool.statuses().map((status) => status.studiesInFlight)).toEqual([10, 20, 50]);
  });

  test('a study that a backend holds goes there, even into a drain', async () => {
    await using d = await desk({ a: empty, b: (uid) => Promise.resolve(uid === '1.2.1' ? 7 : 0) });
    d.allUp();
    d.pool.setOperator('b', { state: 'drain' }, d.time.clock());
    d.dispatcher.start();
    receive(d, ['1.2.1', '1.2.2']);
    await d.dispatcher.tick();
    expect(d.placed.toSorted()).toEqual(['1.2.1 b', '1.2.2 a']);
    const [decision] = d.ledger.decisions('1.2.1');
    expect(decision).toMatchObject({
      kind: 'followed',
      backend: 'b',
      policy: 'least-in-flight',
      reason: 'holds 7 instances of this study already, although drain: takes no new studies',
    });
    expect(decision?.considered.map((each) => each.backend)).toEqual(['a', 'b']);
  });

  test('nobody eligible: it waits with one kept reason, and is placed when a backend comes up', async () => {
    await using d = await desk({ a: empty, b: empty });
    d.pool.setOperator('b', { state: 'maint' }, d.time.clock());
    d.dispatcher.start();
    receive(d, ['1.2.1']);
    for (let times = 0; times < 3; times++) {
      await d.dispatcher.tick();
      d.time.advance(1_000);
    }
    expect(d.placed).toEqual([]);
    const reason =
      'no backend can take it: a: not heard from yet | b: maint: taken out by an operator; not heard from yet';
    expect(d.ledger.study('1.2.1')).toMatchObject({ state: 'received', waiting: reason });
    expect(d.ledger.decisions('1.2.1')).toHaveLength(1);

    d.pool.observed('a', { at: d.time.clock(), up: true, reason: null, latencyMs: 1 });
    await until(() => d.placed.length === 1, { what: 'the placement after the backend came up' });
    expect(d.placed).toEqual(['1.2.1 a']);
    expect(d.ledger.decisions('1.2.1').map((each) => each.kind)).toEqual(['waiting', 'placed']);
    expect(d.ledger.study('1.2.1')?.waiting).toBeNull();
  });

  test('an operator who sets a backend ready lets go what waited', async () => {
    await using d = await desk({ a: empty });
    d.allUp();
    d.pool.setOperator('a', { state: 'drain' }, d.time.clock());
    d.dispatcher.start();
    receive(d, uids(3));
    await d.dispatcher.tick();
    expect(d.placed).toEqual([]);
    d.pool.setOperator('a', { state: 'ready' }, d.time.clock());
    await until(() => d.placed.length === 3, { what: 'three placements' });
  });

  test('one that was silent and is up now is asked before a waiting study is placed: it may hold it', async () => {
    let back = false;
    await using d = await desk({
      a: empty,
      b: () => (back ? Promise.resolve(4) : Promise.reject(new Error('connection refused'))),
    });
    d.dispatcher.start();
    receive(d, ['1.2.1']);
    await d.dispatcher.tick();
    expect(d.placed).toEqual([]);
    back = true;
    for (const name of ['b', 'a']) {
      d.pool.observed(name, { at: d.time.clock(), up: true, reason: null, latencyMs: 1 });
    }
    await until(() => d.placed.length === 1, { what: 'the placement' });
    expect(d.placed).toEqual(['1.2.1 b']);
  });

  test('a backend that hangs costs a study the time limit, and is named; those after it hardly wait', async () => {
    await using d = await desk({ a: empty, hung: never }, { lookupTimeoutMs: 1500 });
    d.allUp();
    d.dispatcher.start();
    receive(d, uids(64));
    const began = performance.now();
    await d.dispatcher.tick();
    // 16 at a time: the first 16 wait 1,500 ms, the other 48 wait 50 ms in three rounds. With the full time for all: 6,000 ms.
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(d.placed).toHaveLength(64);
    expect(d.ledger.decisions('1.2.40')[0]?.reason).toMatch(
      /; did not say whether they hold it: hung \(did not answer in time\)$/,
    );
  });

  test('on a large farm few studies are looked up at once: the answers to so many questions are read in time', async () => {
    const open = new Map<string, number>();
    let most = 0;
    const names = Array.from({ length: 700 }, (_, index) => `b${index}`);
    const ask: Ask = async (uid) => {
      open.set(uid, (open.get(uid) ?? 0) + 1);
      most = Math.max(most, open.size);
      await new Promise((resolve) => setImmediate(resolve));
      const left = (open.get(uid) ?? 0) - 1;
      if (left > 0) open.set(uid, left);
      else open.delete(uid);
      return 0;
    };
    await using d = await desk(Object.fromEntries(names.map((name) => [name, ask])));
    d.allUp();
    receive(d, uids(12));
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.placed).toHaveLength(12);
    expect(d.asked()).toBe(12 * 700);
    expect(most).toBe(2);
  });

  test('a full ledger loses nothing: said, and tried again at the next tick', async () => {
    let full = true;
    await using r = await desk({ a: empty });
    const failing: DispatcherOptions['ledger'] = {
      ...r.ledger,
      decide: (decision) => {
        if (full) throw new LedgerError('full', 'no space left');
        return r.ledger.decide(decision);
      },
    };
    await using d = await deskOn(r, failing);
    r.allUp();
    receive(r, uids(5));
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.placed).toEqual([]);
    full = false;
    await d.dispatcher.tick();
    expect(d.placed).toHaveLength(5);
  });

  test('one study that cannot be decided holds up no other', async () => {
    await using r = await desk({ a: empty });
    const failing: DispatcherOptions['ledger'] = {
      ...r.ledger,
      decide: (decision) => {
        if (decision.studyUid === '1.2.1') throw new LedgerError('failed', 'this one only');
        return r.ledger.decide(decision);
      },
    };
    await using d = await deskOn(r, failing);
    r.allUp();
    receive(r, uids(50));
    d.dispatcher.start();
    await d.dispatcher.tick();
    await d.dispatcher.tick();
    expect(d.placed).toHaveLength(49);
  });

  test('a ledger that cannot be read at the start is read at a tick', async () => {
    let damaged = true;
    await using r = await desk({ a: empty });
    const failing: DispatcherOptions['ledger'] = {
      ...r.ledger,
      unplaced: (limit) => {
        if (damaged) throw new LedgerError('busy', 'later');
        return r.ledger.unplaced(limit);
      },
    };
    await using d = await deskOn(r, failing);
    r.allUp();
    receive(r, uids(200));
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.placed).toEqual([]);
    damaged = false;
    await d.dispatcher.tick();
    expect(d.placed).toHaveLength(200);
  });

  test('a listener that throws changes nothing: the study is placed', async () => {
    await using d = await desk(
      { a: empty },
      {
        onPlaced: () => {
          throw new Error('mine');
        },
      },
    );
    d.allUp();
    d.dispatcher.start();
    receive(d, uids(3));
    await d.dispatcher.tick();
    expect(uids(3).map((uid) => d.ledger.assignments(uid).length)).toEqual([1, 1, 1]);
  });

  test('a study that was taken off its front while it was looked for is not placed', async () => {
    const questions: ((held: number) => void)[] = [];
    await using d = await desk({ a: () => new Promise((resolve) => questions.push(resolve)) });
    d.allUp();
    d.dispatcher.start();
    const one = arrival('1.2.1');
    d.ledger.received(one, d.time.clock());
    const tick = d.dispatcher.tick();
    const answer = await until(() => questions[0], { what: 'the question' });
    d.ledger.absent('front', [one.orthancId], d.time.clock());
    answer(0);
    await tick;
    expect(d.placed).toEqual([]);
    expect(d.ledger.decisions('1.2.1')).toEqual([]);
  });

  test('stopping ends lookups that hang, and another dispatcher takes up what was left', async () => {
    await using r = await desk({ a: never });
    r.allUp();
    r.dispatcher.start();
    receive(r, ['1.2.1']);
    r.dispatcher.studyWaits('1.2.1');
    await new Promise((resolve) => setImmediate(resolve));
    await r.dispatcher.stop();
    expect(r.time.waiting).toBe(0);
    await using d = await deskOn(r, r.ledger);
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.placed).toEqual(['1.2.1 a']);
  });

  test('its own tick goes by its timer', async () => {
    await using d = await desk({ a: empty });
    d.allUp();
    d.dispatcher.start();
    receive(d, ['1.2.1']);
    d.time.advance(1_000);
    await until(() => d.placed.length === 1, { what: 'the placement without an announcement' });
  });

  test('ten thousand waiting studies: the event loop turns on, a tick decides none in vain, and all are placed in the end', async () => {
    await using d = await desk({ a: empty, b: empty });
    receive(d, uids(10_000));
    const turns = countTurns();
    d.dispatcher.start();
    await d.dispatcher.tick();
    expect(d.ledger.queue().unplacedStudies).toBe(10_000);
    expect(d.ledger.study('1.2.10000')?.waiting).toContain('not heard from yet');
    const asked = d.asked();
    await d.dispatcher.tick();
    expect(d.asked()).toBe(asked);
    d.allUp();
    await until(() => d.placed.length === 10_000, { what: 'ten thousand placements', timeoutMs: 40_000 });
    expect(turns()).toBeGreaterThan(100);
    expect(d.pool.statuses().map((status) => status.studiesInFlight)).toEqual([5_000, 5_000]);
  });
});

/** Another dispatcher on the same farm, with a ledger that may fail and backends that hold nothing. */
async function deskOn(
  r: Desk,
  ledger: DispatcherOptions['ledger'],
): Promise<{ readonly dispatcher: Dispatcher; readonly placed: string[] } & AsyncDisposable> {
  const placed: string[] = [];
  const dispatcher = createDispatcher({
    ledger,
    pool: r.pool,
    backends: new Map([['a', { studyInstances: () => Promise.resolve(0) }]]),
    policy: () => leastInFlight,
    lookupTimeoutMs: 10_000,
    clock: r.time.clock,
    log: silentLogger(),
    onPlaced: (studyUid, backend) => placed.push(`${studyUid} ${backend}`),
    timers: r.time,
  });
  return {
    dispatcher,
    placed,
    [Symbol.asyncDispose]: () => dispatcher.stop(),
  };
}

/** Gives how often the event loop came round to others, and stops counting. */
function countTurns(): () => number {
  let turns = 0;
  let counting = true;
  const turn = (): void => {
    turns++;
    if (counting) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    counting = false;
    return turns;
  };
}
