import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAgenda } from '../../src/simulate/agenda.ts';
import { arrivedBy, effortOf, lastTime, type StudyArrival, timeOf } from '../../src/simulate/arriving.ts';
import { conditionsOf } from '../../src/simulate/conditions.ts';
import { createHeap } from '../../src/simulate/heap.ts';
import { createQueue } from '../../src/simulate/queue.ts';
import { randomOf } from '../../src/simulate/random.ts';
import { createStudy } from '../../src/simulate/study.ts';
import { arrivalsOf, meanStudy } from '../../src/simulate/workload.ts';

const kinds = [
  {
    modality: 'CT',
    share: 1,
    instances: { median: 300, p99: 1500 },
    bytes: { median: 150e6, p99: 700e6 },
    pace: 20,
    stations: 4,
  },
  {
    modality: 'CR',
    share: 3,
    instances: { median: 2, p99: 5 },
    bytes: { median: 16e6, p99: 40e6 },
    pace: 0.5,
    stations: 4,
  },
];
const hour = {
  seconds: 3600,
  perHour: 4000,
  rhythm: [],
  crowds: [],
  bursts: null,
  batch: null,
};

test('a heap gives everything back in order, and what is equal in the order it came', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (keys) => {
      const heap = createHeap<number>();
      for (const [turn, key] of keys.entries()) heap.push(key, turn);
      const turns = keys.map(() => heap.pop());
      const sorted = keys.map((key, turn) => ({ key, turn })).toSorted((a, b) => a.key - b.key);
      expect(turns).toEqual(sorted.map(({ turn }) => turn));
      expect(heap.pop()).toBeUndefined();
    }),
  );
});

describe('agenda', () => {
  test('the front’s clock goes slower while its line is full', () => {
    const agenda = createAgenda();
    const seen: string[] = [];
    agenda.atFront(4, () => seen.push(`moved at ${agenda.now}`));
    agenda.at(2, () => agenda.setPace(0.5));
    agenda.at(5, () => seen.push(`due at ${agenda.now}, front ${agenda.frontNow}`));
    agenda.run(100);
    expect(seen).toEqual(['due at 5, front 3.5', 'moved at 6']);
  });

  test('what is called off does not happen, and the past is now', () => {
    const agenda = createAgenda();
    const seen: number[] = [];
    agenda.at(1, () => seen.push(1))();
    agenda.at(3, () => agenda.at(2, () => seen.push(agenda.now)));
    agenda.run(Number.POSITIVE_INFINITY);
    expect(seen).toEqual([3]);
  });
});

const arrivals = fc.record({
  at: fc.integer({ min: 0, max: 1e8 }).map((ms) => ms / 1000),
  seconds: fc.integer({ min: 0, max: 5e6 }).map((ms) => ms / 1000),
  instances: fc.integer({ min: 1, max: 400 }),
});

function arrivalOf(given: { at: number; seconds: number; instances: number }): StudyArrival {
  return { studyUid: '1.2', modality: 'CT', station: null, bytes: 1000 * given.instances, ...given };
}

test('an image is there at its time, and none is there before the first', () => {
  fc.assert(
    fc.property(arrivals, fc.double({ min: 0, max: 1, noNaN: true }), (given, where) => {
      const study = arrivalOf(given);
      const image = Math.floor(where * (study.instances - 1));
      expect(arrivedBy(study, timeOf(study, image))).toBeGreaterThan(image);
      expect(arrivedBy(study, lastTime(study))).toBe(study.instances);
      expect(arrivedBy(study, study.at - 1e-6 - study.at * 1e-9)).toBe(0);
    }),
  );
});

test('the effort of a study is that of its parts, however it is divided', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 48 }),
      fc.integer({ min: 1, max: 500 }),
      fc.array(fc.integer({ min: 0, max: 500 })),
      (effort, instances, cuts) => {
        const study = { ...arrivalOf({ at: 0, seconds: 1, instances }), effort };
        const ends = [0, ...cuts.filter((cut) => cut < instances).toSorted((a, b) => a - b), instances];
        const sum = ends
          .slice(1)
          .reduce((all, end, index) => all + effortOf(study, ends[index] ?? 0, end), 0);
        expect(sum).toBeCloseTo(effortOf(study, 0, instances), 6);
        const mean = effort.reduce((all, part) => all + part, 0) / effort.length;
        expect(sum / instances).toBeCloseTo(mean, 6);
      },
    ),
  );
});

describe('queue', () => {
  const limits = { instances: 50, bytes: 64e6 };

  test('every image is taken once, the oldest first, never more than a chunk holds, and none that is not there', () => {
    fc.assert(
      fc.property(fc.array(arrivals, { minLength: 1, maxLength: 6 }), (given) => {
        const studies = given.map((one) => createStudy(arrivalOf({ ...one, at: one.at % 100 })));
        const queue = createQueue();
        const from = Math.max(...studies.map(({ arrival }) => arrival.at));
        for (const study of studies) queue.bind(study, study.arrival.at);
        const taken = new Map(studies.map((study) => [study, 0]));
        let now = from / 2;
        for (let next = queue.nextAt(); next < Number.POSITIVE_INFINITY; next = queue.nextAt()) {
          now = Math.max(now, next);
          const chunk = queue.claim(limits, now, false);
          if (chunk === null) throw new Error('nothing was ready although it was said to be');
          if (chunk.instances > limits.instances) throw new Error('more than a chunk holds');
          for (const { study, from: first, to } of chunk.segments) {
            if (first !== taken.get(study) || to > arrivedBy(study.arrival, now)) {
              throw new Error(`${first} to ${to} at ${now} of what had come to ${taken.get(study)}`);
            }
            taken.set(study, to);
          }
        }
        for (const study of studies) expect(taken.get(study)).toBe(study.arrival.instances);
      }),
    );
  });

  test('bytes limit a chunk, a single larger image goes alone', () => {
    const queue = createQueue();
    queue.bind(createStudy({ ...arrivalOf({ at: 0, seconds: 0, instances: 4 }), bytes: 4 * 30e6 }), 0);
    queue.bind(createStudy({ ...arrivalOf({ at: 0, seconds: 0, instances: 2 }), bytes: 2 * 100e6 }), 1);
    const sizes = Array.from({ length: 4 }, () => queue.claim(limits, 5, false)?.instances);
    expect(sizes).toEqual([2, 2, 1, 1]);
    expect(queue.claim(limits, 5, false)).toBeNull();
  });

  test('what comes later goes behind what was there before, also of a study that began earlier', () => {
    const queue = createQueue();
    const early = createStudy(arrivalOf({ at: 0, seconds: 10, instances: 11 }));
    const late = createStudy(arrivalOf({ at: 3, seconds: 0, instances: 5 }));
    queue.bind(early, 0);
    queue.bind(late, 3);
    const chunk = queue.claim(limits, 6, false);
    expect(chunk?.segments.map(({ study, from, to }) => [study === early, from, to])).toEqual([
      [true, 0, 4],
      [false, 0, 5],
      [true, 4, 7],
    ]);
    expect(queue.nextAt()).toBe(7);
  });

  test('what failed is tried again when its time has come, unless its study has gone elsewhere', () => {
    const queue = createQueue();
    const study = createStudy(arrivalOf({ at: 0, seconds: 0, instances: 3 }));
    const gone = createStudy(arrivalOf({ at: 0, seconds: 0, instances: 3 }));
    queue.putBack({ study, epoch: 1, from: 1, to: 3 }, 20);
    queue.putBack({ study: gone, epoch: 1, from: 0, to: 3 }, 10);
    gone.epoch++;
    expect(queue.nextAt()).toBe(20);
    expect(queue.claim(limits, 25, true)).toBeNull();
    expect(queue.claim(limits, 25, false)).toMatchObject({ instances: 2, isRetry: true });
  });
});

describe('workload', () => {
  test('the same seed gives the same studies, another one others', () => {
    expect(arrivalsOf(kinds, hour, 7)).toEqual(arrivalsOf(kinds, hour, 7));
    expect(arrivalsOf(kinds, hour, 8)).not.toEqual(arrivalsOf(kinds, hour, 7));
  });

  test('rate, shares, medians and means are what was asked for', () => {
    const studies = [1, 2, 3, 4].flatMap((seed) => arrivalsOf(kinds, hour, seed));
    expect(studies.length / 4).toBeGreaterThan(3800);
    expect(studies.length / 4).toBeLessThan(4200);
    const cts = studies.filter(({ modality }) => modality === 'CT');
    expect(cts.length / studies.length).toBeCloseTo(0.25, 1);
    const counts = cts.map(({ instances }) => instances).toSorted((a, b) => a - b);
    expect((counts[counts.length >> 1] ?? 0) / 300).toBeCloseTo(1, 0);
    const mean = studies.reduce((sum, { bytes }) => sum + bytes, 0) / studies.length;
    expect(mean / meanStudy(kinds).bytes).toBeGreaterThan(0.9);
    expect(mean / meanStudy(kinds).bytes).toBeLessThan(1.1);
  });

  test('rhythm, crowds, bursts and a batch', () => {
    const uneven = arrivalsOf(kinds, { ...hour, rhythm: [0, 3] }, 1);
    expect(uneven.every(({ at }) => at >= 1800)).toBe(true);
    const crowded = arrivalsOf(kinds, { ...hour, crowds: [{ at: 600, seconds: 300, factor: 5 }] }, 1);
    const inside = crowded.filter(({ at }) => at >= 600 && at < 900).length;
    expect(inside / (5 * (4000 / 12))).toBeCloseTo(1, 0);
    const batch = { at: 60, studies: 50, seconds: 5 };
    const once = arrivalsOf(kinds, { ...hour, perHour: 0, batch }, 1);
    expect(once).toHaveLength(50);
    expect(once.every(({ at }) => at >= 60 && at <= 65)).toBe(true);
    const bursts = arrivalsOf(
      kinds,
      { ...hour, perHour: 0, bursts: { every: 600, studies: 9, seconds: 1 } },
      1,
    );
    expect(bursts.length % 9).toBe(0);
    expect(bursts.length).toBeGreaterThan(0);
  });

  test('draws are even, and streams of different purposes are not alike', () => {
    const random = randomOf(1, 'a');
    const values = Array.from({ length: 20_000 }, () => random.uniform());
    expect(values.every((one) => one >= 0 && one < 1)).toBe(true);
    expect(values.reduce((sum, one) => sum + one, 0) / values.length).toBeCloseTo(0.5, 1);
    const normals = Array.from({ length: 20_000 }, () => random.normal());
    expect(normals.reduce((sum, one) => sum + one * one, 0) / normals.length).toBeCloseTo(1, 1);
    expect(randomOf(1, 'b').uniform()).not.toBe(randomOf(1, 'a').uniform());
  });
});

describe('conditions', () => {
  const calm = { otherLoad: null, hiccups: null };
  const where = { seed: 1, name: 'b', until: 3600 };

  test('events are what they say, in order', () => {
    const conditions = conditionsOf(
      [
        { at: 50, kind: 'recover' },
        { at: 10, kind: 'speed', factor: 0.2 },
        { at: 20, kind: 'crash' },
      ],
      calm,
      where,
    );
    expect(conditions).toEqual([
      { at: 10, speed: 0.2, steady: 0.2, answers: true },
      { at: 20, speed: 0, steady: 0, answers: false },
      { at: 50, speed: 1, steady: 1, answers: true },
    ]);
  });

  test('other users and hiccups come and go, and leave it as it was', () => {
    const troubles = {
      otherLoad: { mean: 0.3, swing: 0.2, every: 30 },
      hiccups: { every: 60, seconds: { median: 0.5, p99: 5 } },
    };
    const conditions = conditionsOf([], troubles, where);
    expect(conditions).toEqual(conditionsOf([], troubles, where));
    expect(conditions).not.toEqual(conditionsOf([], troubles, { ...where, name: 'other' }));
    expect(conditions.some(({ speed }) => speed === 0)).toBe(true);
    expect(conditions.every(({ steady }) => steady >= 0.5 - 1e-9 && steady <= 1)).toBe(true);
    expect(conditions.at(-1)).toMatchObject({ speed: 1, steady: 1 });
  });
});
