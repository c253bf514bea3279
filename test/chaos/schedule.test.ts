import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawRound, faultName, faultNames, type RoundPlan, type Shape } from '../../bench/chaos/schedule.ts';

const shape: Shape = { fronts: ['front1', 'front2'], backends: ['orthanc1', 'orthanc2', 'orthanc3'] };
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

const groupOf = (component: string) =>
  component === 'service' || component === 'clock'
    ? 'service'
    : component.startsWith('front')
      ? 'front'
      : 'backend';

describe('a round', () => {
  test('is the same for the same seed, and another for another', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(drawRound(seed, shape)).toEqual(drawRound(seed, shape));
        expect(drawRound(seed, shape)).not.toEqual({ ...drawRound(seed + 1, shape), seed });
      }),
    );
  });

  test('has one to four faults, one on a component, in order of their beginning, and all of them end', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { faults } = drawRound(seed, shape);
        expect(faults.length).toBeGreaterThanOrEqual(1);
        expect(faults.length).toBeLessThanOrEqual(4);
        expect(new Set(faults.map((fault) => fault.component)).size).toBe(faults.length);
        expect(faults.map((fault) => fault.atMs)).toEqual(
          faults.map((fault) => fault.atMs).toSorted((a, b) => a - b),
        );
        for (const fault of faults) expect(fault.forMs).toBeLessThanOrEqual(9000);
      }),
    );
  });

  test('sends studies of every kind, each through a front that is there', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        for (const study of drawRound(seed, shape).studies) {
          expect(study.instances).toBeGreaterThanOrEqual(1);
          expect(study.late).toBeLessThan(Math.max(study.instances, 2));
          expect(study.fronts.length).toBeGreaterThanOrEqual(1);
          for (const front of study.fronts) expect(shape.fronts).toContain(front);
        }
      }),
    );
    const kinds = new Set(
      rounds(200).flatMap(({ studies }) => studies.map(({ name }) => name.replace(/^\d+-/, ''))),
    );
    expect(kinds).toEqual(new Set(['altered', 'few', 'films', 'large', 'one', 'series', 'tenfold']));
  });

  test('200 of them have every fault there is', () => {
    const drawn = new Set(
      rounds(200).flatMap(({ faults }) =>
        faults.map(({ component, fault }) => faultName(groupOf(component), fault)),
      ),
    );
    expect(drawn).toEqual(new Set(faultNames.map(({ name }) => name)));
  });
});

function rounds(count: number): RoundPlan[] {
  return Array.from({ length: count }, (_, index) => drawRound(index + 1, shape));
}
