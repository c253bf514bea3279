import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Holdings, nobodyAsked, type Verdict } from '../../src/decision/decide.ts';
import {
  expectedCompletion,
  expectedCompletionWith,
} from '../../src/decision/policies/expected-completion.ts';
import { policies, withOrder } from '../../src/decision/policies.ts';
import type { Candidate, Policy } from '../../src/decision/policy.ts';
import { decideRound, type Unplaced } from '../../src/decision/round.ts';
import { queueOrders } from '../../src/topology/topology.ts';
import { candidate, study } from './candidates.ts';

const now = 1_000_000;

function unplaced(uid: string, more: Partial<Unplaced> = {}): Unplaced {
  return {
    study: study(uid, { instances: 50, bytes: 25e6 }),
    holdings: nobodyAsked,
    taken: new Map(),
    ...more,
  };
}

/** The policy, and how often it was asked. */
function counted(policy: Policy): { readonly policy: Policy; readonly asked: () => number } {
  let asked = 0;
  return {
    policy: {
      ...policy,
      choose(...given) {
        asked++;
        return policy.choose(...given);
      },
    },
    asked: () => asked,
  };
}

function round(
  policy: Policy,
  waiting: readonly Unplaced[],
  farm: readonly Candidate[],
  mustHear?: (one: Unplaced) => boolean,
): { readonly uid: string; readonly verdict: Verdict; readonly considered: Verdict['considered'] }[] {
  return [...decideRound(policy, waiting, farm, now, mustHear)].map(({ one, verdict }) => ({
    uid: one.study.studyUid,
    verdict,
    considered: verdict.considered,
  }));
}

const held = (backend: string): Holdings => ({ held: new Map([[backend, 3]]), silent: new Map() });
const nobody = (): boolean => false;

describe('a round over a farm whose lanes are full', () => {
  const booked = { busyLanes: 2, instancesInFlight: 100 };
  const full = [candidate('a', booked), candidate('b', booked)];
  const waiting = ['1', '2', '3', '4'].map((uid) => unplaced(uid));

  test('asks the policy for nobody, where nobody must hear why', () => {
    const { policy, asked } = counted(expectedCompletion);
    expect(round(policy, waiting, full, nobody)).toEqual([]);
    expect(asked()).toBe(0);
  });

  test('goes on to the last that must hear, over all before it', () => {
    const third = round(expectedCompletion, waiting, full, ({ study: { studyUid } }) => studyUid === '3');
    expect(third.map(({ uid }) => uid)).toEqual(['1', '2', '3']);
    expect(third).toEqual(round(expectedCompletion, waiting, full).slice(0, 3));
  });

  test('goes on to one that a backend holds, which waits for no lane', () => {
    const some = [...waiting, unplaced('5', { holdings: held('b') }), unplaced('6')];
    const last = round(expectedCompletion, some, full, nobody).at(-1);
    expect(last).toMatchObject({ uid: '5', verdict: { kind: 'followed', backend: 'b' } });
  });

  test('lanes of backends that nothing new may be given to do not count', () => {
    const out = [
      candidate('c', { operator: 'drain' }),
      candidate('d', { health: 'down' }),
      candidate('e', { weight: 0 }),
    ];
    expect(round(expectedCompletion, waiting, [...full, ...out], nobody)).toEqual([]);
    // This one may take it, as soon as most of the farm fails as well.
    const doubted = candidate('f', { breakerReason: 'failed' });
    expect(round(expectedCompletion, waiting, [...full, doubted], nobody)).not.toEqual([]);
  });

  test('says of all that nobody can take them, where that is so', () => {
    const drained = full.map((each) => ({ ...each, operator: 'drain' as const }));
    expect(round(expectedCompletion, waiting, drained, nobody)).toHaveLength(waiting.length);
    const tight = full.map((each) => ({ ...each, freeBytes: 20.1e9 }));
    const large = unplaced('9', { study: study('9', { bytes: 200e6 }) });
    expect(round(expectedCompletion, waiting, tight, nobody)).toEqual([]);
    expect(round(expectedCompletion, [large, ...waiting], tight, nobody).map(({ uid }) => uid)).toEqual([
      '9',
    ]);
  });

  test('is over for the rest as soon as the last lane is given away', () => {
    const { policy, asked } = counted(expectedCompletion);
    const decided = round(
      policy,
      waiting,
      [...full, candidate('c', { busyLanes: 1, lanes: 2, instancesInFlight: 50 })],
      nobody,
    );
    expect(decided.map(({ verdict }) => verdict.backend)).toEqual(['c']);
    expect(asked()).toBe(1);
  });

  test('a policy that binds at once is asked for everybody', () => {
    for (const policy of [policies['least-in-flight'], expectedCompletionWith({ lateBinding: false })]) {
      expect(round(policy, waiting, full, nobody).map(({ verdict }) => verdict.kind)).toEqual(
        waiting.map(() => 'placed'),
      );
    }
  });
});

test('whatever waits for whichever farm: who is left out would have waited, and nobody else is decided otherwise', () => {
  const count = fc.integer({ min: 0, max: 120 });
  const farm = fc.array(
    fc.record({
      lanes: fc.integer({ min: 1, max: 3 }),
      busyLanes: fc.integer({ min: 0, max: 3 }),
      instancesInFlight: count,
      bytesInFlight: fc.integer({ min: 0, max: 200e6 }),
      weight: fc.constantFrom(1, 1, 1, 2, 0),
      operator: fc.constantFrom('ready', 'ready', 'ready', 'drain', 'maint'),
      health: fc.constantFrom('up', 'up', 'up', 'down'),
      breakerReason: fc.constantFrom(null, null, 'transfers fail'),
      freeBytes: fc.constantFrom(null, null, 21e9, 1e9),
    } as const),
    { minLength: 1, maxLength: 6 },
  );
  const line = fc.array(
    fc.record({
      instances: fc.integer({ min: 1, max: 60 }),
      more: count,
      each: fc.constantFrom(1e4, 5e5, 1e7, 1e8),
      arrivesIn: fc.constantFrom(0, 0, 5, 60),
      holder: fc.constantFrom(...Array.from({ length: 9 }, () => null), 'b0', 'b1'),
      taken: fc.constantFrom(null, null, null, 'b0', 'b1'),
      mustHear: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
    }),
    { maxLength: 40 },
  );
  const policy = fc
    .record({
      order: fc.constantFrom(...queueOrders),
      virtualPlaces: fc.boolean(),
      hysteresis: fc.constantFrom(1, 1.3, 5),
    })
    .map(({ order, ...changes }) => withOrder(expectedCompletionWith(changes), order));
  let leftOut = 0;
  fc.assert(
    fc.property(farm, line, policy, (figures, studies, late) => {
      const candidates = figures.map((each, index) => candidate(`b${index}`, each));
      const heard = new Set<string>();
      const waiting = studies.map(({ instances, more, each, arrivesIn, holder, taken, mustHear }, index) => {
        const uid = `1.2.${index}`;
        if (mustHear || holder !== null) heard.add(uid);
        const expected = { instances: instances + more, bytes: (instances + more) * each, arrivesIn };
        return unplaced(uid, {
          study: study(uid, { instances, bytes: instances * each, expected }),
          holdings: holder === null ? nobodyAsked : held(holder),
          taken: new Map(taken === null ? [] : [[taken, 'has another copy of this study']]),
        });
      });
      const { lateBinding: _, ...asking } = late;
      const all = round(asking, waiting, candidates);
      const some = round(late, waiting, candidates, ({ study: { studyUid } }) => heard.has(studyUid));
      expect(some).toEqual(all.slice(0, some.length));
      for (const { uid, verdict } of all.slice(some.length)) {
        leftOut++;
        expect(heard).not.toContain(uid);
        expect(verdict).toMatchObject({ kind: 'waiting', reason: late.lateBinding?.noneFree });
      }
    }),
    { numRuns: 1_000 },
  );
  expect(leftOut).toBeGreaterThan(100);
});
