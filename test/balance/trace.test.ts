import fc from 'fast-check';
import { expect, test } from 'vitest';
import { liveScenarios } from '../../bench/balance/scenarios.ts';
import { studiesPerSecond, traceOf } from '../../bench/balance/trace.ts';

test('a trace is the same each time it is made, and another one with another seed', () => {
  for (const scenario of liveScenarios) {
    expect(traceOf(scenario, 50, 7)).toEqual(traceOf(scenario, 50, 7));
    expect(traceOf(scenario, 50, 8)).not.toEqual(traceOf(scenario, 50, 7));
  }
});

test('so many studies are measured as were asked for, those before them warm up, and all come in order', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...liveScenarios),
      fc.integer({ min: 1, max: 300 }),
      fc.nat(),
      (scenario, studies, seed) => {
        const trace = traceOf(scenario, studies, seed);
        expect(trace.filter(({ isWarmUp }) => !isWarmUp)).toHaveLength(studies);
        for (const [index, { at, instances, name }] of trace.entries()) {
          expect(instances).toBeGreaterThanOrEqual(1);
          expect(at).toBeGreaterThanOrEqual(trace[index - 1]?.at ?? 0);
          expect(trace.findIndex((one) => one.name === name)).toBe(index);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('studies come as fast as the load says, and in a batch at once', () => {
  for (const scenario of liveScenarios) {
    const trace = traceOf(scenario, 2000, 3);
    const last = trace.at(-1)?.at ?? Number.NaN;
    if (scenario.load === 'batch') expect(last).toBe(0);
    else {
      const rate = trace.length / last / studiesPerSecond(scenario.backends);
      expect(rate / scenario.load).toBeCloseTo(1, 1);
    }
  }
});

test('a backend that is slow for each image takes fewer studies, whatever its line', () => {
  const fast = { bytesPerSecond: 1e9, secondsPerImage: 0 };
  const slow = { bytesPerSecond: 1e9, secondsPerImage: 1 };
  expect(studiesPerSecond([fast, fast])).toBeCloseTo(2 * studiesPerSecond([fast]));
  expect(studiesPerSecond([slow])).toBeLessThan(studiesPerSecond([fast]) / 10);
});
