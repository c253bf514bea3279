import fc from 'fast-check';
import { expect, test } from 'vitest';
import { steadyClock } from '../src/clock.ts';

test('goes on from where it was when the wall clock is set back, and takes a step forward over', () => {
  let wall = 1_000_000;
  let monotonic = 0;
  const steps: number[] = [];
  const clock = steadyClock(
    (byMs) => steps.push(byMs),
    () => wall,
    () => monotonic,
  );
  const pass = (ms: number, step = 0): number => {
    wall += ms + step;
    monotonic += ms;
    return clock();
  };
  expect(pass(500)).toBe(1_000_500);
  expect(pass(500, 7_200_000)).toBe(8_201_000);
  expect(pass(500, -7_200_000)).toBe(8_201_500);
  expect(pass(60_000)).toBe(8_261_500);
  expect(steps).toEqual([7_200_000]);
  // The wall clock has caught up and is ahead: it is followed again.
  expect(pass(1000, 7_210_000)).toBe(8_272_500);
  expect(pass(1000)).toBe(8_273_500);
  expect(steps).toEqual([7_200_000]);
});

test('never goes back, whatever the wall clock does', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ ms: fc.integer({ min: 0, max: 100_000 }), step: fc.integer({ min: -1e8, max: 1e8 }) }),
      ),
      (passes) => {
        let wall = 1e12;
        let monotonic = 0;
        const clock = steadyClock(
          () => undefined,
          () => wall,
          () => monotonic,
        );
        let last = clock();
        for (const { ms, step } of passes) {
          wall += ms + step;
          monotonic += ms;
          const now = clock();
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
        }
      },
    ),
  );
});
