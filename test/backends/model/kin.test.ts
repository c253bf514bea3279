import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { efficiencyLikeKin, kinOf, likeKin } from '../../../src/backends/model/kin.ts';
import { efficiency, learn, prior, type ServiceModel } from '../../../src/backends/model/service.ts';

const now = 1_000_000_000;

/** What was learnt of a backend of these speeds from so many transfers of all sizes, with noise. */
function learnt(o: number, s: number, count: number, seed: number): ServiceModel {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  let model = prior;
  for (let index = 0; index < count; index++) {
    const instances = 1 + Math.floor(50 * random());
    const bytes = instances * (0.1e6 + 2e6 * random());
    const seconds = (0.015 + instances * o + bytes * s) * Math.exp(0.8 * (random() - 0.5));
    model = learn(model, { instances, bytes, seconds, endedAt: now - (count - index) * 1000 });
  }
  return model;
}

/** Seconds for a study of usual size. */
const usual = (
  one: Pick<ServiceModel, 'secondsPerTransfer' | 'secondsPerInstance' | 'secondsPerByte'>,
): number => 2 * one.secondsPerTransfer + 100 * one.secondsPerInstance + 80e6 * one.secondsPerByte;
const apart = (values: readonly number[]): number => Math.max(...values) / Math.min(...values);

test('of backends nothing was measured of, nothing is in common, and each is as the prior says', () => {
  expect(kinOf([prior, prior], now)).toBeNull();
  expect(kinOf([], now)).toBeNull();
  expect(likeKin(prior, null)).toBe(prior);
  expect(efficiencyLikeKin(prior, null, now)).toBe(1);
});

test('one that nothing is known of is taken to be more like the others than the prior says, and never all the way', () => {
  const slow = [1, 2, 3, 4].map((seed) => learnt(0.08, 1 / 6e6, 100, seed));
  const guess = usual(likeKin(prior, kinOf([...slow, prior], now)));
  expect(guess / usual(prior)).toBeGreaterThan(1.5);
  // The first to be measured are the fast ones as a rule, or the slow ones by chance: e^0.5 and no more.
  expect(guess / usual(prior)).toBeLessThan(1.7);
});

test('what differs by chance between equal backends is mostly taken for none', () => {
  for (const first of [10, 20, 30, 40, 50]) {
    const models = [0, 1, 2, 3, 4, 5].map((more) => learnt(0.01, 1 / 30e6, 30, first + more));
    const kin = kinOf(models, now);
    const alike = models.map((one) => usual(likeKin(one, kin)));
    expect(apart(alike)).toBeLessThan(apart(models.map(usual)));
    const g = models.map((one) => efficiencyLikeKin(one, kin, now));
    expect(apart(g)).toBeLessThanOrEqual(apart(models.map((one) => efficiency(one, now))));
  }
});

test('ten times slower stays about ten times slower, also where it is one of many', () => {
  const fast = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((seed) => learnt(0.008, 1 / 60e6, 100, seed));
  const slow = learnt(0.08, 1 / 6e6, 100, 99);
  const kin = kinOf([...fast, slow], now);
  const ratio = usual(likeKin(slow, kin)) / usual(likeKin(fast[0] ?? prior, kin));
  expect(ratio).toBeGreaterThan(6);
  expect(ratio).toBeLessThan(15);
});

test('one of ten that has become ten times slower lately is still seen as such', () => {
  const well = learnt(0.008, 1 / 60e6, 100, 1);
  const gray = { ...well, logEfficiency: Math.log(0.1), sampledAt: now };
  const kin = kinOf([...Array.from({ length: 9 }, () => well), gray], now);
  expect(efficiencyLikeKin(gray, kin, now)).toBeLessThan(0.2);
});

describe('whatever was learnt', () => {
  const model = fc
    .record({
      o: fc.double({ min: 0.001, max: 0.2, noNaN: true }),
      s: fc.double({ min: 1e-9, max: 1e-6, noNaN: true }),
      count: fc.integer({ min: 0, max: 60 }),
      seed: fc.nat(),
    })
    .map(({ o, s, count, seed }) => learnt(o, s, count, seed));

  test('every figure lies within its own uncertainty of what was learnt, and is a number', () => {
    fc.assert(
      fc.property(fc.array(model, { minLength: 1, maxLength: 8 }), (models) => {
        const kin = kinOf(models, now);
        for (const one of models) {
          const drawn = likeKin(one, kin);
          const [oo, , ss, , , cc] = one.covariance;
          const within = (own: number, found: number, variance: number): void => {
            expect(found).toBeGreaterThan(0);
            expect(Math.abs(Math.log(found / own))).toBeLessThanOrEqual(0.4 * Math.sqrt(variance) + 1e-9);
          };
          within(one.secondsPerInstance, drawn.secondsPerInstance, oo);
          within(one.secondsPerByte, drawn.secondsPerByte, ss);
          within(one.secondsPerTransfer, drawn.secondsPerTransfer, cc);
          expect(efficiencyLikeKin(one, kin, now)).toBeGreaterThan(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('what one alone is like is itself', () => {
    fc.assert(
      fc.property(model, (one) => {
        const drawn = likeKin(one, kinOf([one], now));
        expect(usual(drawn) / usual(one)).toBeCloseTo(1, 6);
      }),
      { numRuns: 50 },
    );
  });

  test('their order does not matter', () => {
    fc.assert(
      fc.property(fc.array(model, { minLength: 2, maxLength: 6 }), (models) => {
        const [first = prior] = models;
        const there = usual(likeKin(first, kinOf(models, now)));
        const back = usual(likeKin(first, kinOf(models.toReversed(), now)));
        expect(back / there).toBeCloseTo(1, 6);
      }),
      { numRuns: 50 },
    );
  });
});

test('of three, one at a quarter of its speed stands out; of many equal ones with noise none does', () => {
  const withEfficiency = (g: number): ServiceModel => ({
    ...prior,
    samples: 50,
    sampledAt: now,
    logEfficiency: Math.log(g),
  });
  const three = [1, 1, 0.25].map(withEfficiency);
  const kin = kinOf(three, now);
  expect(three.map((one) => efficiencyLikeKin(one, kin, now))).toEqual([1, 1, expect.closeTo(0.25, 9)]);
  const two = [1, 0.3].map(withEfficiency);
  expect(efficiencyLikeKin(withEfficiency(0.3), kinOf(two, now), now)).toBeCloseTo(0.3, 9);
  const noisy = [0.8, 1.4, 1, 0.7, 1.2, 0.9].map(withEfficiency);
  const together = noisy.map((one) => efficiencyLikeKin(one, kinOf(noisy, now), now));
  expect(new Set(together).size).toBe(1);
  // Nobody to compare with: it is taken for itself.
  const alone = withEfficiency(0.3);
  expect(efficiencyLikeKin(alone, kinOf([alone], now), now)).toBeCloseTo(0.3, 9);
});
