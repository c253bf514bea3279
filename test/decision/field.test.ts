import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kinOf } from '../../src/backends/model/kin.ts';
import { prior } from '../../src/backends/model/service.ts';
import { afterPlacement } from '../../src/decision/decide.ts';
import { createFields } from '../../src/decision/field.ts';
import { expectedCompletionWith } from '../../src/decision/policies/expected-completion.ts';
import type { Candidate } from '../../src/decision/policy.ts';
import { reckon, standingOf } from '../../src/decision/prospect.ts';
import type { StudyToPlace } from '../../src/study.ts';
import { candidate, study } from './candidates.ts';

const now = 1_000_000_000;
const options = { efficiency: true, kin: true, booked: true, oneParameter: false };

/** Few values, so that equal ones are usual. */
const some = (...values: number[]) => fc.constantFrom(...values);
const service = fc.record({
  secondsPerTransfer: some(0.015, 0.2),
  secondsPerInstance: some(0.004, 0.008, 0.1),
  secondsPerByte: some(1 / 60e6, 1 / 5e6),
  covariance: fc.constant(prior.covariance),
  logEfficiency: some(0, -2, 1),
  logBaseline: some(0, -1),
  samples: some(0, 50),
  sampledAt: fc.option(some(now, now - 60_000, now - 200_000)),
});
const backend = fc.record({
  service: service.map((model) => ({ ...prior, ...model })),
  lanes: some(1, 2, 4),
  weight: some(1, 1, 0.5, 2),
  busyLanes: some(0, 0, 1, 2, 4),
  studiesInFlight: some(0, 0, 1, 3),
  instancesInFlight: some(0, 0, 10, 400),
  bytesInFlight: some(0, 0, 5e6, 300e6),
  lastPlacement: fc.nat({ max: 5 }),
  reserved: fc.constantFrom(
    { instances: 0, bytes: 0, instancesPerSecond: 0, bytesPerSecond: 0 },
    { instances: 300, bytes: 150e6, instancesPerSecond: 10, bytesPerSecond: 5e6 },
  ),
  quiet: fc.option(fc.constant({ since: now - 20_000, instances: 20, bytes: 10e6 }), { freq: 6 }),
});
const farm = fc
  .array(backend, { minLength: 1, maxLength: 60 })
  .map((all) => all.map((one, index) => candidate(`b${index}`, one)));
const waiting = fc.array(
  fc.record({ instances: some(1, 30, 300), bytes: some(1e5, 20e6, 300e6), arrivesIn: some(0, 0, 8, 60) }),
  { minLength: 1, maxLength: 12 },
);

function studiesOf(sizes: readonly StudyToPlace['expected'][]): StudyToPlace[] {
  return sizes.map((expected, index) => study(`1.2.${index}`, { instances: 1, bytes: 1e5, expected }));
}

interface Plain {
  readonly index: number;
  readonly score: number;
  readonly booked: number;
  readonly isFree: boolean;
  readonly lastPlacement: number;
}

/** Each of them reckoned by itself, and all of them sorted: best first, of equal ones the first in the list. */
function plainly(size: StudyToPlace['expected'], candidates: readonly Candidate[]): Plain[] {
  const kin = kinOf(
    candidates.map((one) => one.service),
    now,
  );
  return candidates
    .map((one, index) => {
      const standing = standingOf(one, kin, now, options);
      const into = { score: 0, seconds: 0, booked: 0, ownSeconds: 0 };
      reckon(size, standing, into);
      const { score, booked } = into;
      return { index, score, booked, isFree: standing.isFree, lastPlacement: one.lastPlacement };
    })
    .toSorted(
      (a, b) =>
        a.score - b.score || a.booked - b.booked || a.lastPlacement - b.lastPlacement || a.index - b.index,
    );
}

/** What changes between two studies, beside the placement of the first. */
const change = fc.constantFrom('nothing', 'a backend', 'the order', 'one is gone', 'the time');

describe('the fast way is the plain way', () => {
  test('the best, the best free one and the first ones are those that sorting gives, whatever was reckoned before', () => {
    fc.assert(
      fc.property(farm, waiting, fc.infiniteStream(change), (backends, sizes, changes) => {
        const fieldOf = createFields(options);
        let candidates: readonly Candidate[] = backends;
        for (const one of studiesOf(sizes)) {
          const field = fieldOf(one.expected, candidates, now);
          const plain = plainly(one.expected, candidates);
          expect(field.best).toBe(plain[0]?.index);
          expect(field.bestFree).toBe(plain.find(({ isFree }) => isFree)?.index ?? -1);
          expect(field.scores[field.best]).toBe(plain[0]?.score);
          expect([...field.first(16)]).toEqual(plain.slice(0, 16).map(({ index }) => index));
          const best = candidates[field.best]?.backend ?? '';
          candidates = changed(afterPlacement(candidates, best, one), changes.next().value);
        }
      }),
    );
  });

  test('a policy that has decided before decides as one that has not, with the same words and scores', () => {
    fc.assert(
      fc.property(farm, waiting, fc.infiniteStream(change), (backends, sizes, changes) => {
        const used = expectedCompletionWith({});
        let candidates: readonly Candidate[] = backends;
        let time = now;
        const kept: (readonly [unknown, string])[] = [];
        for (const one of studiesOf(sizes)) {
          const fresh = expectedCompletionWith({}).choose(one, candidates, time);
          const choice = used.choose(one, candidates, time);
          kept.push([choice, JSON.stringify(fresh)]);
          const what = changes.next().value;
          if (what === 'the time') time += 1_000;
          candidates = changed(
            choice.backend === null ? candidates : afterPlacement(candidates, choice.backend, one),
            what,
          );
        }
        // Read only now: what was decided since must not show in it.
        for (const [choice, expected] of kept) expect(JSON.stringify(choice)).toBe(expected);
      }),
    );
  });
});

function changed(candidates: readonly Candidate[], what: string): readonly Candidate[] {
  if (candidates.length < 2) return candidates;
  if (what === 'the order') return candidates.toReversed();
  if (what === 'one is gone') return candidates.slice(1);
  if (what !== 'a backend') return candidates;
  const [first, ...others] = candidates;
  return first === undefined ? candidates : [{ ...first, busyLanes: first.lanes }, ...others];
}

test('of a backend that changed, and of no other one, it is reckoned anew how it stands', () => {
  const fieldOf = createFields(options);
  const candidates = Array.from({ length: 20 }, (_, index) => candidate(`b${index}`));
  const size = { instances: 100, bytes: 80e6, arrivesIn: 0 };
  const before = [...fieldOf(size, candidates, now).standings];
  const after = fieldOf(size, afterPlacement(candidates, 'b7', study('1.2.3')), now).standings;
  expect(after.flatMap((standing, index) => (standing === before[index] ? [] : [index]))).toEqual([7]);
  expect(fieldOf(size, candidates, now + 1).standings[0]).not.toBe(before[0]);
});
