import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  efficiency,
  expectedSeconds,
  learn,
  prior,
  type ServiceModel,
  type ServiceSample,
} from '../../../src/backends/model/service.ts';

/** What a backend truly takes: seconds for each instance and for each byte. */
interface Truth {
  readonly o: number;
  readonly s: number;
}

const usual: Truth = { o: 0.008, s: 1 / 60e6 };
const kinds: Readonly<Record<string, Truth>> = {
  'as expected': usual,
  'three times faster': { o: 0.003, s: 1 / 180e6 },
  'ten times slower': { o: 0.08, s: 1 / 6e6 },
  'slow for each instance': { o: 0.1, s: 1 / 200e6 },
  'slow for each byte': { o: 0.002, s: 1 / 4e6 },
};

describe.each(Object.entries(kinds))('a backend that is %s', (_name, truth) => {
  test('is known after some transfers, noise and rare mishaps included', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 50, maxLength: 50 }), (seeds) => {
        const ratios = seeds.map((seed) => {
          const model = transfers(randomFrom(seed), truth, 150).reduce(learn, prior);
          // Each against what it alone decides: many images of a few bytes, and one image of many.
          const perInstance = ratio(model, { instances: 50, bytes: 5e6 }, truth);
          return { perInstance, perByte: ratio(model, { instances: 1, bytes: 60e6 }, truth) };
        });
        const isOff = ({ perInstance, perByte }: (typeof ratios)[number], factor: number): boolean =>
          Math.min(perInstance, perByte) <= 1 / factor || Math.max(perInstance, perByte) >= factor;
        // Of thousands two in a thousand are off by more than a factor of two, where nearly all the time goes into instances and bytes hardly
        // show; none by three.
        expect(ratios.filter((one) => isOff(one, 2)).length).toBeLessThanOrEqual(2);
        expect(ratios.filter((one) => isOff(one, 3))).toEqual([]);
      }),
      { numRuns: 1, endOnFailure: true },
    );
  });
});

test('without noise a backend ten times slower is known after fifteen transfers', () => {
  const truth = { o: 0.08, s: 1 / 6e6 };
  const model = transfers(randomFrom(1), truth, 15, () => 1).reduce(learn, prior);
  expect(model.secondsPerInstance / truth.o).toBeCloseTo(1, 0);
  expect(model.secondsPerByte / truth.s).toBeCloseTo(1, 0);
});

test('a backend that is sent one small image at a time is known soon as well', () => {
  const truth = { o: 0.014, s: 1 / 4.5e6 };
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomFrom(seed);
      const small = Array.from({ length: 50 }, (_, index) => {
        const bytes = 0.5e6 + 1.5e6 * random();
        const seconds = (truth.o + bytes * truth.s) * Math.exp(0.3 * (2 * random() - 1));
        return { instances: 1, bytes, seconds, endedAt: index * 1000 };
      });
      const one = ratio(small.reduce(learn, prior), { instances: 1, bytes: 1e6 }, truth);
      expect(one).toBeGreaterThan(0.5);
      expect(one).toBeLessThan(2);
    }),
    { numRuns: 50 },
  );
});

test('two parameters tell apart what one speed cannot: slow for each instance and slow for each byte', () => {
  const model = (truth: Truth) => transfers(randomFrom(3), truth, 200).reduce(learn, prior);
  const perInstance = model({ o: 0.1, s: 1 / 200e6 });
  const perByte = model({ o: 0.002, s: 1 / 4e6 });
  const many = { instances: 500, bytes: 25e6 };
  const large = { instances: 2, bytes: 200e6 };
  expect(expectedSeconds(perInstance, many, 0)).toBeGreaterThan(3 * expectedSeconds(perByte, many, 0));
  expect(expectedSeconds(perByte, large, 0)).toBeGreaterThan(3 * expectedSeconds(perInstance, large, 0));
});

test('a slow-down by five is believed within a few transfers, and its end as well', () => {
  const random = randomFrom(5);
  const before = transfers(random, usual, 100);
  let at = endOf(before);
  let model = before.reduce(learn, prior);
  const slow = { o: usual.o * 5, s: usual.s * 5 };
  const during = transfers(random, slow, 30, undefined, at);
  model = during.reduce(learn, model);
  at = endOf(during);
  expect(ratioNow(model, slow, at)).toBeGreaterThan(0.5);
  const after = transfers(random, usual, 120, undefined, at);
  model = after.reduce(learn, model);
  expect(ratioNow(model, usual, endOf(after))).toBeLessThan(1.6);
  expect(ratioNow(model, usual, endOf(after))).toBeGreaterThan(0.6);
});

test('a slow-down is seen by single images as well, a dozen of them, however little time they take', () => {
  const image = { instances: 1, bytes: 0.5e6 };
  const steady = transfers(randomFrom(5), usual, 300).reduce(learn, prior);
  let at = steady.sampledAt ?? 0;
  const send = (model: ServiceModel, slower: number, count: number): ServiceModel => {
    let after = model;
    for (let n = 0; n < count; n++) {
      const seconds = slower * (usual.o + image.bytes * usual.s);
      at += 1000 * seconds + 50;
      after = learn(after, { ...image, seconds, endedAt: at });
    }
    return after;
  };
  const known = send(steady, 1, 300);
  expect(efficiency(known, at)).toBeGreaterThan(0.7);
  const slow = send(known, 6, 12);
  expect(efficiency(slow, at)).toBeLessThan(0.4);
  expect(efficiency(send(slow, 1, 25), at)).toBeGreaterThan(0.7);
});

test('one transfer that took eight times as long is a mishap, three are a slow-down', () => {
  const steady = transfers(randomFrom(7), usual, 100, () => 1).reduce(learn, prior);
  const at = steady.sampledAt ?? 0;
  const late = (n: number) => ({ instances: 50, bytes: 40e6, seconds: 8.5, endedAt: at + n * 8500 });
  const size = { instances: 50, bytes: 40e6 };
  const first = learn(steady, late(1));
  expect(expectedSeconds(first, size, at + 8500) / expectedSeconds(steady, size, at)).toBeLessThan(4);
  const third = [late(2), late(3)].reduce(learn, first);
  expect(expectedSeconds(third, size, at + 25_500) / expectedSeconds(steady, size, at)).toBeGreaterThan(4);
});

test('an efficiency near 1 is 1, one far from it is what it is, and between the two there is no step', () => {
  const at = (logEfficiency: number) => efficiency({ ...prior, logEfficiency, sampledAt: 0 }, 0);
  for (const near of [-0.25, -0.1, 0, 0.1, 0.25]) expect(at(near)).toBe(1);
  expect(at(-0.26)).toBeCloseTo(0.98, 2);
  for (const far of [0.2, 0.5, 2, 5]) expect(at(Math.log(far))).toBeCloseTo(far, 9);
  fc.assert(
    fc.property(fc.double({ min: -3, max: 3, noNaN: true }), (log) => {
      expect(Math.abs(Math.log(at(log)))).toBeLessThanOrEqual(Math.abs(log) + 1e-12);
      expect(Math.abs(Math.log(at(log + 1e-6) / at(log)))).toBeLessThan(3e-6);
    }),
  );
});

test('what a transfer costs whatever it carries is not taken for the time of an image', () => {
  const truth = { c: 0.02, o: 0.005, s: 1 / 90e6 };
  const random = randomFrom(11);
  let at = 0;
  let model = prior;
  // Nine of ten transfers carry one image of half a megabyte, which takes 11 ms and 20 ms of preparation.
  for (let n = 0; n < 5_000; n++) {
    const instances = random() < 0.9 ? 1 : 50;
    const bytes = instances * 0.5e6;
    const seconds = (truth.c + instances * truth.o + bytes * truth.s) * noiseOf(random);
    at += seconds * 1000 + 20;
    model = learn(model, { instances, bytes, seconds, endedAt: at });
  }
  expect(ratio(model, { instances: 50, bytes: 25e6 }, truth)).toBeGreaterThan(0.8);
  expect(ratio(model, { instances: 50, bytes: 25e6 }, truth)).toBeLessThan(1.15);
  expect(model.secondsPerTransfer / truth.c).toBeGreaterThan(0.6);
  expect(model.secondsPerTransfer / truth.c).toBeLessThan(1.5);
});

test('in five minutes without a transfer the efficiency returns to its baseline, no further', () => {
  const slow = transfers(randomFrom(9), { o: usual.o * 5, s: usual.s * 5 }, 10).reduce(
    learn,
    transfers(randomFrom(9), usual, 100).reduce(learn, prior),
  );
  const at = slow.sampledAt ?? 0;
  const seen = [0, 60_000, 150_000, 299_000, 300_000, 9e9].map((later) => efficiency(slow, at + later));
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen[0]).toBeLessThan(0.5);
  expect(seen[4]).toBeCloseTo(efficiency({ ...slow, logEfficiency: slow.logBaseline }, at), 9);
  expect(seen[5]).toBe(seen[4]);
});

describe('cold start', () => {
  test('before anything was measured: 15 ms a transfer, 8 ms an instance and 60 MB/s, at any time', () => {
    for (const now of [0, 1, 1e15])
      expect(expectedSeconds(prior, { instances: 100, bytes: 60e6 }, now)).toBeCloseTo(1.83, 9);
  });

  test('an unmeasured backend is never infinitely fast, not even for nothing', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1e6 }), fc.double({ min: 0, max: 1e15, noNaN: true }), (instances, bytes) => {
        const seconds = expectedSeconds(prior, { instances, bytes }, 0);
        expect(seconds).toBeGreaterThanOrEqual(instances * 0.008);
        expect(Number.isFinite(seconds)).toBe(true);
      }),
    );
  });
});

describe('whatever it is told', () => {
  const any = fc.oneof(
    fc.double(),
    fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_VALUE, Number.MIN_VALUE),
  );
  const wild: fc.Arbitrary<ServiceSample> = fc.record({
    instances: fc.oneof(fc.integer({ min: 1, max: 1000 }), any),
    bytes: fc.oneof(fc.integer({ min: 0, max: 1e12 }), any),
    seconds: fc.oneof(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), any),
    endedAt: fc.oneof(fc.integer({ min: -1e15, max: 1e15 }), any),
  });

  test('no figure is ever NaN, negative or out of bounds', () => {
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 200 }), fc.integer(), (samples, now) => {
        const model = samples.reduce(learn, prior);
        expect(model.secondsPerInstance).toBeGreaterThanOrEqual(prior.secondsPerInstance * 0.02);
        expect(model.secondsPerInstance).toBeLessThanOrEqual(prior.secondsPerInstance * 50);
        expect(model.secondsPerByte).toBeGreaterThanOrEqual(prior.secondsPerByte * 0.02);
        expect(model.secondsPerByte).toBeLessThanOrEqual(prior.secondsPerByte * 50);
        expect(model.secondsPerTransfer).toBeGreaterThanOrEqual(prior.secondsPerTransfer * 0.02);
        expect(model.secondsPerTransfer).toBeLessThanOrEqual(prior.secondsPerTransfer * 50);
        const [oo, os, ss, co, cs, cc] = model.covariance;
        expect(Math.min(oo, ss, cc)).toBeGreaterThan(0);
        expect(oo * ss - os * os).toBeGreaterThan(0);
        expect(cc * oo - co * co).toBeGreaterThan(0);
        expect(cc * ss - cs * cs).toBeGreaterThan(0);
        expect(Math.max(oo, ss, cc)).toBeLessThanOrEqual(prior.covariance[0] * (1 + 1e-9));
        expect(efficiency(model, now)).toBeGreaterThanOrEqual(1 / 8 - 1e-9);
        expect(efficiency(model, now)).toBeLessThanOrEqual(8 + 1e-9);
        expect(model.sampledAt === null || Number.isFinite(model.sampledAt)).toBe(true);
      }),
    );
  });

  test('what says nothing is not learnt', () => {
    const good = { instances: 1, bytes: 1, seconds: 1, endedAt: 1 };
    for (const bad of [
      { instances: 0 },
      { seconds: 0 },
      { seconds: -1 },
      { bytes: -1 },
      { bytes: Number.POSITIVE_INFINITY },
      { endedAt: Number.NaN },
    ])
      expect(learn(prior, { ...good, ...bad })).toBe(prior);
  });

  test('the order in which transfers are learnt changes little, and never the time of the last one', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const samples = transfers(randomFrom(seed), kinds['slow for each instance'] ?? usual, 120);
        const random = randomFrom(seed + 1);
        const shuffled = samples
          .map((sample) => ({ sample, at: random() }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ sample }) => sample);
        const inOrder = samples.reduce(learn, prior);
        const mixed = shuffled.reduce(learn, prior);
        expect(mixed.sampledAt).toBe(inOrder.sampledAt);
        expect(Math.abs(Math.log(mixed.secondsPerInstance / inOrder.secondsPerInstance))).toBeLessThan(0.5);
        // What is nearly invisible beside the instances is known the less.
        expect(Math.abs(Math.log(mixed.secondsPerByte / inOrder.secondsPerByte))).toBeLessThan(1.5);
      }),
      { numRuns: 40 },
    );
  });

  test('transfers that are all alike leave it as sure as it was, and the next other one is learnt', () => {
    const alike = { instances: 50, bytes: 25e6, seconds: 4, endedAt: 0 };
    let model = prior;
    for (let n = 0; n < 5000; n++) model = learn(model, { ...alike, endedAt: n * 5000 });
    expect(expectedSeconds(model, alike, 5000 * 5000)).toBeCloseTo(4, 0);
    expect(Math.max(...model.covariance)).toBeLessThanOrEqual(prior.covariance[0] * (1 + 1e-9));
    const large = { instances: 1, bytes: 60e6, seconds: 1, endedAt: 0 };
    for (let n = 0; n < 20; n++) model = learn(model, { ...large, endedAt: 25e6 + n * 2000 });
    expect(expectedSeconds(model, large, 25e6 + 40_000)).toBeLessThan(2);
  });
});

/** The mix of a day: single large images, small studies, full chunks of CT and MR. Noise: a third, and one in fifty takes long. */
function transfers(
  random: () => number,
  { o, s }: Truth,
  count: number,
  noise: () => number = () => noiseOf(random),
  from = 0,
): readonly ServiceSample[] {
  let at = from;
  return Array.from({ length: count }, () => {
    const kind = random();
    const instances =
      kind < 0.5 ? 1 + Math.floor(random() * 3) : kind < 0.7 ? 1 + Math.floor(random() * 40) : 50;
    const each = kind < 0.5 ? 4e6 + random() * 16e6 : kind < 0.7 ? 1.2e6 : kind < 0.85 ? 0.52e6 : 0.22e6;
    const bytes = instances * each;
    const seconds = (instances * o + bytes * s) * noise();
    at += seconds * 1000 + 50;
    return { instances, bytes, seconds, endedAt: at };
  });
}

function noiseOf(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const usualNoise = Math.exp(0.3 * normal - 0.045);
  return random() < 0.02 ? usualNoise * (1 - random()) ** (-1 / 1.5) : usualNoise;
}

function endOf(samples: readonly ServiceSample[]): number {
  return samples.at(-1)?.endedAt ?? 0;
}

function ratio(model: ServiceModel, size: { instances: number; bytes: number }, { o, s }: Truth): number {
  const { instances, bytes } = size;
  return (instances * model.secondsPerInstance + bytes * model.secondsPerByte) / (instances * o + bytes * s);
}

function ratioNow(model: ServiceModel, truth: Truth, now: number): number {
  const size = { instances: 50, bytes: 40e6 };
  return expectedSeconds(model, size, now) / (50 * truth.o + 40e6 * truth.s);
}

/** Mulberry32: small, seeded, the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
