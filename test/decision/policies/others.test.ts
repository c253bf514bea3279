import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prior } from '../../../src/backends/model/service.ts';
import { afterPlacement } from '../../../src/decision/decide.ts';
import { fastest } from '../../../src/decision/policies/fastest.ts';
import { peakEwma } from '../../../src/decision/policies/peak-ewma.ts';
import { powerOfTwo } from '../../../src/decision/policies/power-of-two.ts';
import { weightedRoundRobin } from '../../../src/decision/policies/weighted-round-robin.ts';
import type { Candidate } from '../../../src/decision/policy.ts';
import { candidate, chosen, study } from '../candidates.ts';

const slower = (times: number) => ({
  ...prior,
  covariance: [0, 0, 0, 0, 0, 0] as const,
  secondsPerInstance: prior.secondsPerInstance * times,
  secondsPerByte: prior.secondsPerByte * times,
});

describe('weighted-round-robin', () => {
  const turns = (weights: readonly number[], count: number): readonly number[] => {
    let candidates: readonly Candidate[] = weights.map((weight, index) => candidate(`${index}`, { weight }));
    const counts = weights.map(() => 0);
    for (let turn = 0; turn < count; turn++) {
      const backend = chosen(weightedRoundRobin.choose(study(), candidates, 0));
      candidates = afterPlacement(candidates, backend, study());
      counts[Number(backend)] = (counts[Number(backend)] ?? 0) + 1;
    }
    return counts;
  };

  test('shares follow the weights, over short runs too', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 300 }), (each, count) => {
        const total = each.reduce((sum, weight) => sum + weight, 0);
        // The golden ratio spreads its points as evenly as any number can: a few turns off, whatever the count.
        for (const [index, turnsOf] of turns(each, count).entries()) {
          expect(Math.abs(turnsOf - (count * (each[index] ?? 0)) / total)).toBeLessThan(4);
        }
      }),
    );
  });

  test('the turns of a heavy one do not come in a bunch', () => {
    let candidates: readonly Candidate[] = [candidate('a', { weight: 3 }), candidate('b', { weight: 1 })];
    let run = '';
    for (let turn = 0; turn < 100; turn++) {
      const backend = chosen(weightedRoundRobin.choose(study(), candidates, 0));
      candidates = afterPlacement(candidates, backend, study());
      run += backend;
    }
    expect(run).not.toMatch(/a{6}|bb/);
  });
});

describe('power-of-two', () => {
  test('the one with fewer studies in flight for its weight of the two that were drawn', () => {
    const busy = candidate('busy', { studiesInFlight: 9 });
    const idle = candidate('idle', { studiesInFlight: 3, weight: 2 });
    for (let number = 0; number < 50; number++) {
      const choice = powerOfTwo.choose(study(`1.${number}`), [busy, idle], 0);
      expect(chosen(choice)).toBe('idle');
      expect(choice.scores).toHaveLength(2);
    }
  });

  test('the fullest of many is never chosen, and one alone always', () => {
    const many = Array.from({ length: 5 }, (_, index) => candidate(`b${index}`, { studiesInFlight: index }));
    const seen = new Set(
      Array.from({ length: 500 }, (_, n) => chosen(powerOfTwo.choose(study(`1.${n}`), many, 0))),
    );
    expect([...seen].toSorted()).toEqual(['b0', 'b1', 'b2', 'b3']);
    expect(chosen(powerOfTwo.choose(study(), [candidate('only')], 0))).toBe('only');
  });
});

test('peak-ewma: the time of late, times what is in flight there', () => {
  const slow = candidate('slow', { service: slower(3) });
  expect(chosen(peakEwma.choose(study(), [slow, candidate('fast', { studiesInFlight: 1 })], 0))).toBe('fast');
  expect(chosen(peakEwma.choose(study(), [slow, candidate('fast', { studiesInFlight: 3 })], 0))).toBe('slow');
});

test('fastest: load is not looked at', () => {
  const busy = candidate('fast', { service: slower(0.9), studiesInFlight: 100, instancesInFlight: 1e6 });
  expect(chosen(fastest.choose(study(), [candidate('idle'), busy], 0))).toBe('fast');
});
