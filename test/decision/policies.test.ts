import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterPlacement, decide } from '../../src/decision/decide.ts';
import { leastInFlight } from '../../src/decision/policies/least-in-flight.ts';
import { rendezvous } from '../../src/decision/policies/rendezvous.ts';
import { roundRobin } from '../../src/decision/policies/round-robin.ts';
import { policies, policyNamed } from '../../src/decision/policies.ts';
import type { Candidate, Choice, Policy } from '../../src/decision/policy.ts';
import { best } from '../../src/decision/ranking.ts';
import { policyNames } from '../../src/topology/topology.ts';
import { health, operatorStates } from './arbitrary.ts';
import { candidate, chosen, study } from './candidates.ts';

const choose = (...candidates: Candidate[]): Choice => leastInFlight.choose(study(), candidates, 0);

const place = (studyUid: string, candidates: readonly Candidate[]): string =>
  chosen(rendezvous.choose(study(studyUid), candidates, 0));

describe('least-in-flight', () => {
  test('counts the study that is being placed, per weight', () => {
    const choice = choose(
      candidate('a', { studiesInFlight: 2 }),
      candidate('b', { studiesInFlight: 5, weight: 3 }),
      candidate('c', { studiesInFlight: 0, weight: 0.25 }),
    );
    expect(choice.scores.map((score) => score.score)).toEqual([3, 2, 4]);
    expect(chosen(choice)).toBe('b');
    expect(choice.reason).toBe('fewest studies in flight for its weight');
  });

  test('an idle farm is not indifferent to weights', () => {
    expect(chosen(choose(candidate('a', { weight: 1 }), candidate('b', { weight: 2 })))).toBe('b');
  });

  test('a tie goes to the one with fewer instances in flight for its weight', () => {
    const choice = choose(
      candidate('a', { studiesInFlight: 1, instancesInFlight: 300 }),
      candidate('b', { studiesInFlight: 1, instancesInFlight: 2 }),
    );
    expect(chosen(choice)).toBe('b');
    expect(choice.reason).toContain('fewest instances');
    const weighted = choose(
      candidate('a', { studiesInFlight: 1, weight: 1, instancesInFlight: 10 }),
      candidate('b', { studiesInFlight: 3, weight: 2, instancesInFlight: 16 }),
    );
    expect(chosen(weighted)).toBe('b');
  });

  test('then to the least recently placed, never placed before all others', () => {
    const choice = choose(candidate('a', { lastPlacement: 7 }), candidate('b', { lastPlacement: 6 }));
    expect(chosen(choice)).toBe('b');
    expect(choice.reason).toContain('least recently placed');
    expect(chosen(choose(candidate('a', { lastPlacement: 7 }), candidate('b')))).toBe('b');
  });

  test('cold start: everything equal, so the first in the topology', () => {
    const choice = choose(candidate('a'), candidate('b'), candidate('c'));
    expect(chosen(choice)).toBe('a');
    expect(choice.reason).toContain('first in the topology');
  });

  test('a tie among those that lose is not said to have decided', () => {
    const choice = choose(
      candidate('a', { studiesInFlight: 4 }),
      candidate('b', { studiesInFlight: 4 }),
      candidate('c'),
    );
    expect(choice.reason).toBe('fewest studies in flight for its weight');
  });

  test('equal weights: what is in flight differs by one study at most, however many and whatever was there', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 200 }), (backends, studies) => {
        const counts = placeMany(
          leastInFlight,
          Array.from({ length: backends }, (_, index) => candidate(`b${index}`)),
          studies,
        ).map((each) => each.studiesInFlight);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('weighted shares: no study would have been better off elsewhere, and each has the whole part of its share', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 300 }),
        (tenths, studies) => {
          const placed = placeMany(
            leastInFlight,
            tenths.map((weight, index) => candidate(`b${index}`, { weight: weight / 10 })),
            studies,
          );
          const total = placed.reduce((sum, each) => sum + each.weight, 0);
          for (const mine of placed) {
            const share = (studies * mine.weight) / total;
            expect(mine.studiesInFlight).toBeGreaterThan(share - 1 - 1e-9);
            for (const other of placed) {
              const asIs = mine.studiesInFlight / mine.weight;
              expect(asIs).toBeLessThanOrEqual((other.studiesInFlight + 1) / other.weight + 1e-9);
            }
          }
        },
      ),
    );
  });
});

describe('round-robin', () => {
  test('never placed first, in the order of the topology; then the least recently placed', () => {
    let candidates: readonly Candidate[] = [candidate('a'), candidate('b'), candidate('c')];
    const turns: string[] = [];
    for (let turn = 0; turn < 7; turn++) {
      const backend = chosen(roundRobin.choose(study(), candidates, 0));
      turns.push(backend);
      candidates = afterPlacement(candidates, backend, { instances: 1, bytes: 1 });
    }
    expect(turns.join('')).toBe('abcabca');
  });

  test('one that was away takes its turn once and does not catch up', () => {
    let candidates: readonly Candidate[] = [
      candidate('a', { lastPlacement: 90 }),
      candidate('b', { lastPlacement: 91 }),
      candidate('back', { lastPlacement: 3 }),
    ];
    const turns: string[] = [];
    for (let turn = 0; turn < 4; turn++) {
      const backend = chosen(roundRobin.choose(study(), candidates, 0));
      turns.push(backend);
      candidates = afterPlacement(candidates, backend, { instances: 1, bytes: 1 });
    }
    expect(turns).toEqual(['back', 'a', 'b', 'back']);
  });

  test('every backend gets the same number, give or take one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 200 }), (backends, studies) => {
        const counts = placeMany(
          roundRobin,
          Array.from({ length: backends }, (_, index) => candidate(`b${index}`)),
          studies,
        ).map((each) => each.studiesInFlight);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('rendezvous', () => {
  const uid = fc.integer({ min: 0 }).map((number) => `1.2.826.0.1.3680043.${number}`);
  const farm = fc
    .uniqueArray(fc.integer({ min: 0, max: 999 }), { minLength: 2, maxLength: 8 })
    .chain((numbers) =>
      fc.tuple(
        ...numbers.map((number) =>
          fc
            .integer({ min: 1, max: 50 })
            .map((tenths) => candidate(`orthanc${number}`, { weight: tenths / 10 })),
        ),
      ),
    );
  test('the draw is one another program can make: first 52 bits of SHA-256 of UID, NUL, backend', () => {
    const [score] = rendezvous.choose(study('1.2.3'), [candidate('orthanc1')], 0).scores;
    // printf '1.2.3\0orthanc1' | sha256sum → c51a6d057e2a0…
    expect(score?.inputs.draw).toBe((Number.parseInt('c51a6d057e2a0', 16) + 0.5) / 2 ** 52);
  });

  test('load and order do not matter', () => {
    fc.assert(
      fc.property(uid, farm, fc.nat(), (studyUid, candidates, load) => {
        const busy = candidates.map((each) => ({ ...each, studiesInFlight: load, lastPlacement: load }));
        expect(place(studyUid, busy.toReversed())).toBe(place(studyUid, candidates));
      }),
    );
  });

  test('a backend that goes moves no study but its own', () => {
    fc.assert(
      fc.property(uid, farm, fc.nat(), (studyUid, candidates, pick) => {
        const gone = candidates[pick % candidates.length]?.backend;
        const before = place(studyUid, candidates);
        const after = place(
          studyUid,
          candidates.filter((each) => each.backend !== gone),
        );
        if (before !== gone) expect(after).toBe(before);
      }),
    );
  });

  test('a backend that comes, or gets more weight, only draws studies to itself', () => {
    fc.assert(
      fc.property(uid, farm, fc.nat(), (studyUid, candidates, pick) => {
        const heavier = candidates[pick % candidates.length]?.backend ?? '';
        const before = place(studyUid, candidates);
        const more = candidates.map((each) =>
          each.backend === heavier ? { ...each, weight: each.weight * 3 } : each,
        );
        expect([before, heavier]).toContain(place(studyUid, more));
        expect([before, 'newcomer']).toContain(place(studyUid, [candidate('newcomer'), ...candidates]));
      }),
    );
  });

  test('shares follow the weights', () => {
    const candidates = [
      candidate('a', { weight: 1 }),
      candidate('b', { weight: 2 }),
      candidate('c', { weight: 5 }),
    ];
    const counts = new Map<string, number>();
    const studies = 8_000;
    for (let number = 0; number < studies; number++) {
      const backend = place(`1.2.840.113619.2.55.3.${604688119 + number}`, candidates);
      counts.set(backend, (counts.get(backend) ?? 0) + 1);
    }
    // Five standard deviations of the binomial distribution, on UIDs that differ in their last digits only.
    for (const { backend, weight } of candidates) {
      const share = weight / 8;
      const spread = 5 * Math.sqrt(studies * share * (1 - share));
      expect(Math.abs((counts.get(backend) ?? 0) - studies * share)).toBeLessThan(spread);
    }
  });
});

describe('every policy', () => {
  const all = Object.entries(policies);

  test.each(policyNames)('%s goes by its own name', (name) => {
    expect(policyNamed(name).name).toBe(name);
  });

  // `fastest` looks at no load, so it never leaves the first of equals that has been left alone for longest: it reaches all by the tie.
  test.each(all)('%s reaches every backend', (_name, policy) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), (backends) => {
        const placed = placeMany(
          policy,
          Array.from({ length: backends }, (_, index) => candidate(`b${index}`)),
          // For rendezvous the chance that one of 6 gets none of 200 studies is below 10⁻¹⁵; the draws are fixed anyway.
          200,
        );
        expect(placed.every((each) => each.studiesInFlight > 0)).toBe(true);
      }),
    );
  });

  const anyCandidate = fc.record({
    weight: fc.oneof(
      fc.constant(0),
      fc.constant(Number.NaN),
      fc.double({ min: 1e-300, max: 1000, noNaN: true }),
    ),
    studiesInFlight: fc.nat(),
    instancesInFlight: fc.nat(),
    lastPlacement: fc.nat(),
    // Several usable ones are the usual case.
    operator: fc.oneof(
      { weight: 2, arbitrary: fc.constant('ready' as const) },
      fc.constantFrom(...operatorStates),
    ),
    health: fc.oneof({ weight: 2, arbitrary: fc.constant('up' as const) }, fc.constantFrom(...health)),
  });

  test.each(all)(
    '%s never places on one that is not eligible, and changes nothing it was given',
    (_name, policy) => {
      fc.assert(
        fc.property(fc.array(anyCandidate, { maxLength: 6 }), fc.string(), (figures, uid) => {
          const candidates = figures.map((each, index) => Object.freeze(candidate(`b${index}`, each)));
          const usable = candidates
            .filter((each) => each.operator === 'ready' && each.health === 'up' && each.weight > 0)
            .map((each) => each.backend);
          const verdict = decide(policy, study(uid), Object.freeze(candidates), 0);
          expect(verdict.considered.map((each) => each.backend)).toEqual(
            candidates.map((each) => each.backend),
          );
          if (usable.length === 0) {
            expect(verdict).toMatchObject({ kind: 'waiting', backend: null });
          } else {
            // One that binds late may hold a place for it instead.
            expect(usable).toContain(verdict.backend ?? verdict.waitsFor);
            expect(verdict.kind).toBe(verdict.backend === null ? 'waiting' : 'placed');
          }
          for (const each of verdict.considered) {
            expect(each.passedOver === null).toBe(each.backend === verdict.backend);
          }
          const scored = verdict.considered.filter(({ score }) => score !== null);
          expect(usable).toEqual(expect.arrayContaining(scored.map(({ backend }) => backend)));
          // Two draws are all that one looks at; every other policy looks at each that it may choose.
          const most = policy.name === 'power-of-two' ? 2 : Number.POSITIVE_INFINITY;
          expect(scored).toHaveLength(Math.min(most, usable.length));
          const again = decide(policy, study(uid), candidates, 0);
          expect(again).toEqual(verdict);
          expect(again.considered).toEqual(verdict.considered);
        }),
      );
    },
  );
});

test('what nobody measured is never the best, nor is anything chosen among nothing', () => {
  const ranked = [Number.NaN, 5, Number.POSITIVE_INFINITY].map((score, index) => ({
    score: { backend: `b${index}`, score, inputs: {} },
    tieBreaks: [],
  }));
  expect(best(ranked).score.backend).toBe('b1');
  const tied = [Number.NaN, 1].map((tie, index) => ({
    score: { backend: `b${index}`, score: 1, inputs: {} },
    tieBreaks: [tie],
  }));
  expect(best(tied).score.backend).toBe('b1');
  expect(() => best([])).toThrow(RangeError);
});

/** Places so many studies of different UIDs, none of which ends, virtual places included; gives the backends as they are then. */
function placeMany(policy: Policy, start: readonly Candidate[], studies: number): readonly Candidate[] {
  let candidates = start;
  for (let number = 0; number < studies; number++) {
    const one = study(`1.2.3.${number}`, { instances: (number % 7) + 1 });
    const { backend } = policy.choose(one, candidates, 0);
    if (backend === null) throw new Error('it holds no place');
    candidates = afterPlacement(candidates, backend, one);
  }
  return candidates;
}
