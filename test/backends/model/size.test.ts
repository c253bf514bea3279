import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ArrivingStudy,
  emptyHistory,
  learnSize,
  type NamedStudy,
  predictSize,
  type SizeHistory,
} from '../../../src/backends/model/size.ts';

const ct = { modality: 'CT', station: 'CT1' };

function arriving(more: Partial<ArrivingStudy> = {}): ArrivingStudy {
  return { ...ct, instances: 1, bytes: 500_000, firstSeenAt: 0, lastNewsAt: 0, ...more };
}

/** Half a megabyte an image, ten images a second. */
function finished(instances: number, more: Partial<NamedStudy> = {}): NamedStudy {
  return { ...ct, instances, bytes: instances * 500_000, seconds: instances / 10, ...more };
}

function historyOf(...studies: readonly NamedStudy[]): SizeHistory {
  return studies.reduce(learnSize, emptyHistory());
}

const many = (sizes: readonly number[], more: Partial<NamedStudy> = {}) =>
  sizes.map((size) => finished(size, more));

describe('how large a study will be', () => {
  test('the median of its station and modality', () => {
    const history = historyOf(...many([100, 200, 300, 400, 500]), ...many([5, 5, 5, 5], { station: 'CT2' }));
    const size = predictSize(history, arriving(), 0);
    expect(size.instances).toBe(300);
    expect(size.bytes / 150e6).toBeCloseTo(1, 1);
    expect(size.arrivesIn).toBeGreaterThan(25);
    expect(size.arrivesIn).toBeLessThan(35);
  });

  test('of those that are at least as large as what has arrived', () => {
    const history = historyOf(...many([100, 200, 300, 400, 500]), ...many([420, 480, 450]));
    expect(
      predictSize(history, arriving({ instances: 350, bytes: 175e6, lastNewsAt: 35_000 }), 35_000).instances,
    ).toBe(450);
  });

  test('of its modality where the station is new, and a prior where the modality is too', () => {
    const history = historyOf(...many([90, 100, 110, 120]));
    expect(predictSize(history, arriving({ station: 'CT9' }), 0).instances).toBe(105);
    expect(predictSize(history, arriving({ modality: 'CR', station: 'X' }), 0).instances).toBe(2);
    expect(predictSize(emptyHistory(), arriving({ modality: null, station: null }), 0).instances).toBe(20);
  });

  test('little that is known of the modality beats a prior', () => {
    expect(predictSize(historyOf(finished(40)), arriving(), 0).instances).toBe(40);
  });

  test('one that has outgrown all that is known goes on growing by a quarter', () => {
    const history = historyOf(...many([100, 100, 100, 100]));
    expect(
      predictSize(history, arriving({ instances: 1000, bytes: 500e6, lastNewsAt: 100_000 }), 100_000)
        .instances,
    ).toBe(1250);
    expect(predictSize(emptyHistory(), arriving({ instances: 1000, bytes: 1 }), 0).instances).toBe(1250);
  });

  test('a modality whose studies are all alike is whole with the last image, at once', () => {
    const history = historyOf(...many([2, 2, 2, 2], { modality: 'DX' }));
    const size = predictSize(history, arriving({ modality: 'DX', instances: 2, bytes: 30e6 }), 0);
    expect(size).toEqual({ instances: 2, bytes: 30e6, arrivesIn: 0 });
  });

  test('nothing for long against its pace: it is whole', () => {
    const history = historyOf(...many([300, 300, 300, 300]));
    const one = arriving({ instances: 100, bytes: 50e6, lastNewsAt: 10_000 });
    expect(predictSize(history, one, 12_900).instances).toBe(300);
    expect(predictSize(history, one, 13_100)).toEqual({ instances: 100, bytes: 50e6, arrivesIn: 0 });
    // One image every four seconds: half a minute is not long.
    const slow = arriving({ instances: 100, bytes: 50e6, lastNewsAt: 400_000 });
    expect(predictSize(history, slow, 430_000).instances).toBe(300);
    expect(predictSize(history, slow, 445_000).instances).toBe(100);
  });

  test('its own pace counts more than the history, the more of it is here', () => {
    const history = historyOf(...many([300, 300, 300, 300]));
    const seconds = (instances: number) =>
      predictSize(
        history,
        arriving({ instances, bytes: instances, lastNewsAt: instances * 1000 }),
        instances * 1000,
      ).arrivesIn;
    expect(seconds(2)).toBeLessThan(150);
    expect(seconds(100)).toBeGreaterThan(180);
    expect(seconds(100)).toBeLessThanOrEqual(200);
  });

  test('its own images say how large the missing ones are', () => {
    const history = historyOf(...many([200, 200, 200, 200]));
    const size = predictSize(history, arriving({ instances: 100, bytes: 200e6, lastNewsAt: 10_000 }), 10_000);
    expect(size.bytes / 400e6).toBeCloseTo(1, 1);
  });
});

describe('whatever arrives', () => {
  const study: fc.Arbitrary<NamedStudy> = fc.record({
    modality: fc.constantFrom('CT', 'MR', null, ''),
    station: fc.constantFrom('A', 'B', null, 'x'.repeat(200)),
    instances: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.double()),
    bytes: fc.oneof(fc.integer({ min: 0, max: 1e10 }), fc.double()),
    seconds: fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.double()),
  });

  test('never less than what is here, never NaN, and nothing to wait for where nothing is expected', () => {
    fc.assert(
      fc.property(
        fc.array(study, { maxLength: 100 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 1e12 }),
        fc.tuple(fc.nat(), fc.integer({ min: -1000, max: 1e9 }), fc.integer({ min: -1000, max: 1e9 })),
        (studies, instances, bytes, [first, span, quiet]) => {
          const one = arriving({ instances, bytes, firstSeenAt: first, lastNewsAt: first + span });
          const size = predictSize(historyOf(...studies), one, first + span + quiet);
          expect(size.instances).toBeGreaterThanOrEqual(instances);
          expect(size.bytes).toBeGreaterThanOrEqual(bytes);
          expect(Number.isFinite(size.bytes)).toBe(true);
          expect(Number.isSafeInteger(size.instances)).toBe(true);
          expect(size.arrivesIn).toBeGreaterThanOrEqual(0);
          expect(size.arrivesIn).toBeLessThanOrEqual(1800);
          expect(size.arrivesIn === 0).toBe(size.instances === instances);
        },
      ),
    );
  });

  test('a study that goes on growing is never expected to be smaller than a moment before', () => {
    const history = historyOf(...many([100, 200, 300, 400, 500]));
    let before = 0;
    for (let instances = 1; instances <= 2000; instances++) {
      const at = instances * 100;
      const size = predictSize(
        history,
        arriving({ instances, bytes: instances * 500_000, lastNewsAt: at }),
        at,
      );
      expect(size.instances).toBeGreaterThanOrEqual(before);
      before = size.instances;
    }
  });

  test('what is remembered is bounded: 64 studies of a kind, the latest, and two thousand kinds', () => {
    const one = Array.from({ length: 200 }, (_, index) => finished(index + 1)).reduce(
      learnSize,
      emptyHistory(),
    );
    expect([...one.byKey.values()].map((studies) => studies.length)).toEqual([64, 64]);
    expect(predictSize(one, arriving(), 0).instances).toBe(169);
    let history = emptyHistory();
    for (let index = 0; index < 5000; index++)
      history = learnSize(history, finished(2, { station: `S${index}` }));
    expect(history.byKey.size).toBe(2000);
    // The modality was used last of all, although it came first.
    expect(predictSize(history, arriving({ station: 'S0' }), 0).instances).toBe(2);
  });

  test('learning changes no history that somebody still has', () => {
    const before = historyOf(finished(5));
    learnSize(before, finished(6));
    expect([...before.byKey.values()].map((studies) => studies.length)).toEqual([1, 1]);
  });
});
