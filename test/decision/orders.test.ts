import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { orderNamed } from '../../src/decision/orders.ts';
import { policyNamed } from '../../src/decision/policies.ts';
import { decideRound } from '../../src/decision/round.ts';
import type { StudyToPlace } from '../../src/study.ts';
import { type QueueOrder, queueOrders } from '../../src/topology/topology.ts';
import { candidate, study } from './candidates.ts';

const farm = [candidate('a'), candidate('b')];

/** Whole studies of so many seconds' work on one of the two, named by their place in the queue. */
function queue(...seconds: readonly number[]): readonly StudyToPlace[] {
  return seconds.map((each, index) => study(`${index}`, { instances: 1, bytes: each * 60e6 }));
}

function ordered(name: QueueOrder, studies: readonly StudyToPlace[], candidates = farm): string {
  const order = orderNamed(name);
  return (order === null ? studies : order(studies, candidates, 0)).map(({ studyUid }) => studyUid).join(' ');
}

describe('queue orders', () => {
  const some = queue(3, 1, 30, 2, 1);

  test('fifo: the oldest first', () => {
    expect(ordered('fifo', some)).toBe('0 1 2 3 4');
    expect(orderNamed('fifo')).toBeNull();
  });

  test('express: the shortest first, equals by age', () => {
    expect(ordered('express', some)).toBe('1 4 3 0 2');
  });

  test('lpt: the longest first, equals by age', () => {
    expect(ordered('lpt', some)).toBe('2 0 3 1 4');
  });

  test('what counts is how long it will take, not what has arrived', () => {
    const growing = study('grows', {
      instances: 1,
      bytes: 1,
      expected: { instances: 900, bytes: 1e9, arrivesIn: 60 },
    });
    expect(ordered('lpt', [...queue(3), growing])).toBe('grows 0');
  });

  test('critical: only under a backlog, only what may end last', () => {
    // 13 s of work in four lanes: no backlog.
    expect(ordered('critical', queue(1, 2, 10))).toBe('0 1 2');
    // 120 s in four lanes are a backlog of 30 s: what takes 7.5 s or more goes first, largest first, the others as they came.
    expect(ordered('critical', queue(7, 7, 7, 8, 7, 20, 7, 7, 7, 7, 7, 7, 7, 7, 8))).toBe(
      '5 3 14 0 1 2 4 6 7 8 9 10 11 12 13',
    );
  });

  test('critical: what is bound already is backlog too', () => {
    const busy = farm.map((each) => ({ ...each, instancesInFlight: 10, bytesInFlight: 60e6 * 60 }));
    expect(ordered('critical', queue(1, 2, 10), busy)).toBe('2 0 1');
  });

  test.each(queueOrders)('%s: every study once, and again the same', (name) => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e4, noNaN: true })), (seconds) => {
        const studies = Object.freeze([...queue(...seconds)]);
        const once = ordered(name, studies);
        expect(once.split(' ').toSorted()).toEqual(
          studies
            .map(({ studyUid }) => studyUid)
            .join(' ')
            .split(' ')
            .toSorted(),
        );
        expect(ordered(name, studies)).toBe(once);
        expect(ordered(name, studies, []).split(' ')).toHaveLength(once.split(' ').length);
      }),
    );
  });

  test('the largest goes first also where it is the youngest of more than a round has room for', () => {
    const waiting = queue(...Array.from({ length: 300 }, () => 1), 50).map((one) => ({
      study: one,
      holdings: { held: new Map(), silent: new Map() },
      taken: new Map<string, string>(),
    }));
    const policy = policyNamed('least-in-flight', { order: 'lpt' });
    const decided = [...decideRound(policy, waiting, farm, 0)].map(({ one }) => one.study.studyUid);
    expect(decided).toHaveLength(128);
    expect(decided[0]).toBe('300');
  });

  test.each(queueOrders)('%s: a round decides in that order', (order) => {
    const waiting = queue(3, 1, 30, 2, 1).map((one) => ({
      study: one,
      holdings: { held: new Map(), silent: new Map() },
      taken: new Map<string, string>(),
    }));
    const policy = policyNamed('least-in-flight', { order });
    const decided = [...decideRound(policy, waiting, farm, 0)].map(({ one }) => one.study.studyUid);
    expect(decided.join(' ')).toBe(ordered(order, queue(3, 1, 30, 2, 1)));
  });
});
