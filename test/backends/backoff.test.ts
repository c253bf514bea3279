import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterFailure, type BackOff } from '../../src/backends/backoff.ts';
import type { FailureCode } from '../../src/study.ts';

const failure = (now: number, code: FailureCode = 'send-failed') => ({ code, detail: 'why', now });

describe('back-off', () => {
  test('1 s, 2 s, 4 s, … 60 s at most, when each failure comes after the last back-off', () => {
    let backOff: BackOff | null = null;
    let now = 0;
    const waits: number[] = [];
    for (let turn = 0; turn < 9; turn++) {
      backOff = afterFailure(backOff, failure(now), () => 1);
      waits.push(backOff.until - now);
      now = backOff.until;
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  test('full jitter: anything from nothing to the whole', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.nat(5_000),
        (random, failures) => {
          const backOff = afterFailure({ failures, until: 0, text: '' }, failure(100), () => random);
          const ceiling = Math.min(60_000, 1_000 * 2 ** failures);
          expect(backOff.until).toBeGreaterThanOrEqual(100);
          expect(backOff.until - 100).toBeLessThanOrEqual(ceiling);
          expect(backOff.until - 100).toBe(Math.round(random * ceiling));
        },
      ),
    );
  });

  test('lanes that fail together count as one failure, and the last one is what is said', () => {
    const first = afterFailure(null, failure(0), () => 1);
    const second = afterFailure(first, failure(10, 'send-timeout'), () => 1);
    expect(second).toEqual({ failures: 1, until: 1_000, text: 'send-timeout: why' });
  });

  test("a front's failure holds the backend up for 2 s at most", () => {
    const long = afterFailure({ failures: 30, until: 0, text: '' }, failure(0, 'front-unreachable'), () => 1);
    expect(long.until).toBe(2_000);
  });
});
