import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RecordedTransfer } from '../../../src/ledger/trace.ts';
import {
  fitLaw,
  fitLaws,
  type Law,
  type Observation,
  secondsBy,
  unmeasured,
} from '../../../src/simulate/replay/fit.ts';
import { measureBackends } from '../../../src/simulate/replay/measure.ts';

/** Transfers of all shapes, by this law, times the noise. */
function observed(law: Law, noise: (index: number) => number, count = 200): Observation[] {
  return Array.from({ length: count }, (_, index) => {
    const instances = 1 + ((index * 7) % 50);
    const bytes = instances * ([10_000, 500_000, 8_000_000][index % 3] ?? 0);
    const company = 1 + (index % 2);
    return {
      instances,
      bytes,
      company,
      seconds: secondsBy(law, { instances, bytes, company }) * noise(index),
    };
  });
}

describe('the law of a backend', () => {
  const law = fc.record({
    setupSeconds: fc.double({ min: 0.005, max: 0.5, noNaN: true }),
    secondsPerInstance: fc.double({ min: 0.0005, max: 0.2, noNaN: true }),
    secondsPerByte: fc.double({ min: 1e-9, max: 1e-6, noNaN: true }),
    contention: fc.constantFrom(0, 0.5, 1),
  });

  test('is found again in transfers of all shapes, whatever it is', () => {
    fc.assert(
      fc.property(law, (truth) => {
        const transfers = observed(truth, (index) => 1 + 0.2 * Math.sin(index));
        const found = fitLaw(transfers);
        // The small ones are of no account: those that take longer than the average are most of the time.
        const mean = transfers.reduce((sum, { seconds }) => sum + seconds, 0) / transfers.length;
        for (const one of transfers.filter(({ seconds }) => seconds > mean)) {
          const ratio = secondsBy(found, one) / secondsBy(truth, one);
          expect(ratio).toBeGreaterThan(0.65);
          expect(ratio).toBeLessThan(1.5);
        }
        const total = (one: Law): number =>
          transfers.reduce((sum, transfer) => sum + secondsBy(one, transfer), 0);
        expect(total(found) / total(truth)).toBeGreaterThan(0.85);
        expect(total(found) / total(truth)).toBeLessThan(1.15);
      }),
    );
  });

  test('is not bent by a few transfers with a mishap', () => {
    const truth = { setupSeconds: 0.05, secondsPerInstance: 0.01, secondsPerByte: 1 / 20e6, contention: 0.5 };
    const found = fitLaw(observed(truth, (index) => (index % 20 === 0 ? 50 : 1)));
    const usual = { instances: 50, bytes: 25e6, company: 1 };
    expect(secondsBy(found, usual) / secondsBy(truth, usual)).toBeCloseTo(1, 0);
  });

  test('never has a negative or a senseless figure', () => {
    const any = fc.record({
      instances: fc.nat(50),
      bytes: fc.nat(1e9),
      seconds: fc.double({ min: 0, max: 1e5, noNaN: true }),
      company: fc.double({ min: 1, max: 4, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 20 }), (some) => {
        const found = fitLaw(some);
        expect(Object.values(found).every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
        expect(secondsBy(found, { instances: 1, bytes: 0, company: 1 })).toBeGreaterThan(0);
      }),
    );
  });

  test('of backends with few transfers is of one kind, if all together say so', () => {
    // Each is slow at bytes alone, and has five transfers, all of much the same shape, with some noise.
    const truths = [1, 3, 10].map((factor) => ({
      setupSeconds: 0.001,
      secondsPerInstance: 0.0001,
      secondsPerByte: factor / 20e6,
      contention: 0,
    }));
    const shapes = [
      { instances: 2, bytes: 16e6, company: 1 },
      { instances: 40, bytes: 20e6, company: 1 },
      { instances: 20, bytes: 1e6, company: 1 },
    ];
    const laws = fitLaws(
      truths.map((truth, backend) =>
        Array.from({ length: 5 }, (_, index) => {
          // Of one of the shapes each has not seen any.
          const shape = shapes[[0, 1, 2].filter((one) => one !== backend)[index % 2] ?? 0] ?? shapes[0];
          if (shape === undefined) throw new Error('there are shapes');
          return { ...shape, seconds: secondsBy(truth, shape) * (1 + 0.1 * Math.cos(index * 7 + backend)) };
        }),
      ),
    );
    for (const [backend, truth] of truths.entries()) {
      const unseen = shapes[backend];
      const found = laws[backend];
      if (unseen === undefined || found === undefined) throw new Error('there is one for each');
      expect(secondsBy(found, unseen) / secondsBy(truth, unseen)).toBeGreaterThan(0.5);
      expect(secondsBy(found, unseen) / secondsBy(truth, unseen)).toBeLessThan(2);
    }
  });

  test('of a backend nobody has sent to is the usual assumption', () => {
    expect(fitLaw([])).toEqual(unmeasured);
    expect(fitLaws([[], []])).toEqual([unmeasured, unmeasured]);
  });
});

const minute = 60_000;
const span = { from: 0, to: 30 * minute };

/** One transfer after the other for half an hour, so many times slower from minute 10 to 20. */
function slowed(factor: number): RecordedTransfer[] {
  const transfers: RecordedTransfer[] = [];
  for (let at = 0, index = 0; at < span.to; index++) {
    const instances = 10 + (index % 40);
    const bytes = instances * (index % 2 === 0 ? 20_000 : 1_000_000);
    const factorNow = at >= 10 * minute && at < 20 * minute ? factor : 1;
    const ms = (instances * 10 + bytes / 20_000) * factorNow;
    transfers.push({ backend: 'a', startedAt: at, endedAt: at + ms, instances, bytes, ok: true });
    at += ms + 1;
  }
  return transfers;
}

function speedAt(
  { conditions }: { readonly conditions: readonly { readonly at: number; readonly speed: number }[] },
  at: number,
): number {
  return conditions.findLast((condition) => condition.at <= at)?.speed ?? 1;
}

test('a backend that was slow for ten minutes is slow for those ten', () => {
  const [measured] = measureBackends(['a'], slowed(5), [], span);
  if (measured === undefined) throw new Error('nothing was measured');
  const before = speedAt(measured, 5 * minute);
  expect(speedAt(measured, 15 * minute) / before).toBeCloseTo(0.2, 1);
  expect(speedAt(measured, 25 * minute) / before).toBeCloseTo(1, 0);
});

test('a minute without an answer is one in which it is down, and a stall is slow although nothing ended well', () => {
  const minutes = Array.from({ length: 30 }, (_, index) => ({
    at: index * minute,
    orthanc: 'a',
    up: index >= 12 && index < 15 ? 0 : 1,
  }));
  const [down] = measureBackends(['a'], slowed(1), minutes, span);
  expect(down?.conditions.filter(({ answers }) => !answers).map(({ at }) => at / minute)).toContain(12);
  expect(down?.conditions.findLast(({ at }) => at <= 16 * minute)?.answers).toBe(true);

  const stalled = [
    ...slowed(1).filter(({ endedAt }) => endedAt < 10 * minute),
    { backend: 'a', startedAt: 10 * minute, endedAt: 12 * minute, instances: 0, bytes: 0, ok: false },
  ];
  const [measured] = measureBackends(['a'], stalled, [], span);
  if (measured === undefined) throw new Error('nothing was measured');
  expect(speedAt(measured, 11 * minute)).toBeLessThan(0.1);
});
