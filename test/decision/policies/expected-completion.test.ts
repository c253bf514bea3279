import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prior, type ServiceModel } from '../../../src/backends/model/service.ts';
import { nobodyAsked } from '../../../src/decision/decide.ts';
import {
  expectedCompletion,
  expectedCompletionWith,
} from '../../../src/decision/policies/expected-completion.ts';
import type { Candidate, Choice } from '../../../src/decision/policy.ts';
import { decideRound } from '../../../src/decision/round.ts';
import type { StudyToPlace } from '../../../src/study.ts';
import { candidate, chosen, study } from '../candidates.ts';

const now = 1_000_000;

/** A backend that was measured, just now, to be so many times as slow as the prior. */
function measured(slower: number, more: Partial<ServiceModel> = {}): ServiceModel {
  return {
    ...prior,
    // Exactly: nothing of it is taken from the others.
    covariance: [0, 0, 0, 0, 0, 0],
    secondsPerInstance: prior.secondsPerInstance * slower,
    secondsPerByte: prior.secondsPerByte * slower,
    samples: 100,
    sampledAt: now,
    ...more,
  };
}

/** A study of 100 images and 80 MB, whole: 2.13 s by the prior on one lane. */
const whole = (more: Partial<StudyToPlace> = {}) => study('1.2.3', { instances: 100, bytes: 80e6, ...more });
/** The same, of which the first image is here. */
const arriving = (arrivesIn: number, more: Partial<StudyToPlace> = {}) =>
  study('1.2.3', {
    instances: 1,
    bytes: 800_000,
    expected: { instances: 100, bytes: 80e6, arrivesIn },
    ...more,
  });

const choose = (one: StudyToPlace, ...candidates: Candidate[]): Choice =>
  expectedCompletion.choose(one, candidates, now);
const seconds = (choice: Choice, backend: string): number =>
  Number(choice.scores.find((score) => score.backend === backend)?.inputs['seconds']);

/** What goes in one transfer: 0.87 s by the prior. */
const part = study('1.2.3', { instances: 40, bytes: 32e6 });

const scoreOf = (choice: Choice, backend: string): number =>
  choice.scores.find((score) => score.backend === backend)?.score ?? Number.NaN;

describe('where it goes', () => {
  test('to the one where it is available soonest', () => {
    const choice = choose(
      whole(),
      candidate('slow', { service: measured(3) }),
      candidate('fast', { service: measured(0.5) }),
    );
    expect(chosen(choice)).toBe('fast');
    expect(choice.scores.map(({ passedOver }) => passedOver)).toEqual(['available 2.7 s later', null]);
  });

  test('of two where it ends at the same time, to the one that is booked for less, though a lane is free on both', () => {
    const ahead = { busyLanes: 1, instancesInFlight: 20, bytesInFlight: 16e6 };
    const choice = choose(part, candidate('half-busy', ahead), candidate('idle'));
    expect(chosen(choice)).toBe('idle');
    expect(seconds(choice, 'idle')).toBe(seconds(choice, 'half-busy'));
    expect(choice.scores[0]?.passedOver).toMatch(/^booked \d\.\d s longer$/);
  });

  test('to one that is a little slower, where the soonest is booked for long', () => {
    const ahead = { busyLanes: 1, instancesInFlight: 45, bytesInFlight: 40e6 };
    const busy = candidate('soonest', { ...ahead, service: measured(1) });
    const idle = candidate('slower', { service: measured(1.2) });
    const choice = choose(part, busy, idle);
    expect(chosen(choice)).toBe('slower');
    expect(choice.scores[0]?.passedOver).toMatch(/^available \d\.\d s sooner, but booked \d\.\d s longer$/);
    const own = expectedCompletionWith({ booked: false }).choose(part, [busy, idle], now);
    expect(chosen(own)).toBe('soonest');
  });

  test('many images away from the one that is slow for each, large ones away from the one that is slow for each byte', () => {
    const perInstance = candidate('per-instance', { service: measured(1, { secondsPerInstance: 0.1 }) });
    const perByte = candidate('per-byte', { service: measured(1, { secondsPerByte: 1 / 5e6 }) });
    const many = whole({
      instances: 500,
      bytes: 25e6,
      expected: { instances: 500, bytes: 25e6, arrivesIn: 0 },
    });
    const large = whole({
      instances: 2,
      bytes: 200e6,
      expected: { instances: 2, bytes: 200e6, arrivesIn: 0 },
    });
    expect(chosen(choose(many, perInstance, perByte))).toBe('per-byte');
    expect(chosen(choose(large, perInstance, perByte))).toBe('per-instance');
  });

  test('while the fast one is busy it waits for it rather than be early on a slow one', () => {
    const busy = candidate('fast', {
      service: measured(0.5),
      busyLanes: 2,
      instancesInFlight: 100,
      bytesInFlight: 60e6,
    });
    const choice = choose(whole(), candidate('slow', { service: measured(5) }), busy);
    expect(choice).toMatchObject({ kind: 'wait', backend: 'fast' });
    expect(choice.reason).not.toMatch(/\d/);
    expect(choice.scores.map(({ passedOver }) => passedOver)).toEqual([
      expect.stringMatching(/^available \S+ s later$/),
      'the one it waits for: no free lane now',
    ]);
  });

  test('but not where a free lane is nearly as good', () => {
    const busy = candidate('a', {
      service: measured(1),
      busyLanes: 2,
      instancesInFlight: 10,
      bytesInFlight: 8e6,
    });
    const free = candidate('b', { service: measured(1.1), busyLanes: 1 });
    expect(chosen(choose(whole(), busy, free))).toBe('b');
    expect(choose(whole(), busy, candidate('b', { service: measured(1.6) })).kind).toBe('wait');
  });

  test('the hysteresis counts from the last image, not from the first', () => {
    const busy = candidate('fast', {
      service: measured(0.2),
      busyLanes: 2,
      instancesInFlight: 100,
      bytesInFlight: 60e6,
    });
    // Available 36 s after its last image, which comes in ten minutes: not "at most 1.3 times later" than at once.
    const slow = candidate('slow', { service: measured(50), busyLanes: 1 });
    const one = arriving(600, { expected: { instances: 1500, bytes: 1e9, arrivesIn: 600 } });
    expect(choose(one, busy, slow).kind).toBe('wait');
  });

  test('weight 0.5 counts its own time twice', () => {
    const choice = choose(
      whole(),
      candidate('half', { weight: 0.5 }),
      candidate('b', { service: measured(1.5) }),
    );
    expect(chosen(choice)).toBe('b');
  });

  test('on an idle farm of equals in turn', () => {
    const choice = choose(
      whole(),
      candidate('a', { lastPlacement: 4 }),
      candidate('b', { lastPlacement: 3 }),
    );
    expect(chosen(choice)).toBe('b');
  });
});

describe('lanes', () => {
  test('what was bound a moment ago and has not begun takes lanes too', () => {
    const bound = candidate('a', { instancesInFlight: 120, bytesInFlight: 10e6 });
    const choice = choose(whole(), bound);
    expect(choice.kind).toBe('wait');
    expect(choice.scores[0]?.inputs).toMatchObject({ busyLanes: 2, lanes: 2 });
  });

  test('a study that trickles in holds no lane, but its share of them counts', () => {
    const reserved = (lanes: number) => {
      const perSecond = lanes / (prior.secondsPerInstance + 0.5e6 * prior.secondsPerByte);
      return {
        instances: perSecond * 60,
        bytes: perSecond * 60 * 0.5e6,
        instancesPerSecond: perSecond,
        bytesPerSecond: perSecond * 0.5e6,
      };
    };
    const light = candidate('light', { service: measured(1), reserved: reserved(0.2) });
    const heavy = candidate('heavy', { service: measured(1), reserved: reserved(1.8) });
    expect(chosen(choose(whole(), heavy, light))).toBe('light');
    expect(chosen(choose(whole(), candidate('full', { reserved: reserved(2.1) })))).toBe('full');
  });

  test('what is still to come takes lanes for as long as it comes, and not for ever', () => {
    const inAMinute = (lanes: number) => {
      const perSecond = lanes / (prior.secondsPerInstance + 0.5e6 * prior.secondsPerByte);
      return {
        instances: perSecond * 60,
        bytes: perSecond * 30e6,
        instancesPerSecond: perSecond,
        bytesPerSecond: perSecond * 0.5e6,
      };
    };
    const large = whole({
      instances: 4000,
      bytes: 2e9,
      expected: { instances: 4000, bytes: 2e9, arrivesIn: 0 },
    });
    const on = (lanes: number) =>
      seconds(choose(large, candidate('a', { service: measured(1), reserved: inAMinute(lanes) })), 'a');
    const alone = on(0);
    expect(on(1)).toBeGreaterThan(alone + 20);
    // A minute of all lanes is a minute, and a little more of it makes no cliff.
    for (const lanes of [1.9, 2, 2.1]) {
      expect(on(lanes)).toBeGreaterThan(alone + 50);
      expect(on(lanes)).toBeLessThan(alone + 70);
    }
  });

  test('a large study may use all lanes, a small one only one', () => {
    const one = candidate('one', { lanes: 1, service: measured(1) });
    const four = candidate('four', { lanes: 4, service: measured(3) });
    const small = study('1.2.3', { instances: 20, bytes: 16e6 });
    const large = whole({
      instances: 400,
      bytes: 320e6,
      expected: { instances: 400, bytes: 320e6, arrivesIn: 0 },
    });
    expect(chosen(choose(small, one, four))).toBe('one');
    expect(chosen(choose(large, one, four))).toBe('four');
  });

  test('it is never available before its last image is there', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1800, noNaN: true }), (arrivesIn) => {
        // The score is the seconds then, to the last digit.
        const choice = expectedCompletionWith({ booked: false }).choose(
          arriving(arrivesIn),
          [candidate('a')],
          now,
        );
        expect(scoreOf(choice, 'a')).toBeGreaterThanOrEqual(arrivesIn);
      }),
    );
  });
});

describe('virtual places', () => {
  const fast = () => candidate('fast', { service: measured(0.2) });
  const slow = () => candidate('slow', { service: measured(2) });
  const queue = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      study: whole({ studyUid: `1.2.3.${index}` }),
      holdings: nobodyAsked,
      taken: new Map<string, string>(),
    }));
  const round = (policy: typeof expectedCompletion, count: number) =>
    [...decideRound(policy, queue(count), [fast(), slow()], now)].map(
      ({ verdict }) => verdict.backend ?? `waits for ${verdict.waitsFor}`,
    );

  test('those behind one that waits see its place as taken, and the slow one has its turn', () => {
    const placed = round(expectedCompletion, 16);
    expect(placed[0]).toBe('fast');
    expect(placed[1]).toBe('waits for fast');
    expect(placed.filter((each) => each === 'slow')).toHaveLength(1);
  });

  test('one that is still arriving holds none: those behind it may have the lane that comes free', () => {
    const line = queue(16).map((one) => ({
      ...one,
      study: { ...one.study, instances: 20, bytes: 16e6, expected: { ...one.study.expected, arrivesIn: 1 } },
    }));
    const verdicts = [...decideRound(expectedCompletion, line, [fast(), slow()], now)].map(
      ({ verdict }) => verdict,
    );
    const waiting = verdicts.filter(({ kind }) => kind === 'waiting');
    expect(waiting.length).toBeGreaterThan(12);
    for (const { waitsFor, holdsPlace } of waiting)
      expect({ waitsFor, holdsPlace }).toEqual({ waitsFor: 'fast', holdsPlace: false });
  });

  test('without them everybody waits for the fast one', () => {
    expect(round(expectedCompletionWith({ virtualPlaces: false }), 16)).not.toContain('slow');
  });

  test('a study that is expected to grow is seen as large as it will be', () => {
    const two = [0, 1].map((index) => ({
      study: arriving(0.5, { studyUid: `1.2.3.${index}` }),
      holdings: nobodyAsked,
      taken: new Map<string, string>(),
    }));
    const verdicts = [...decideRound(expectedCompletion, two, [candidate('a'), candidate('b')], now)];
    expect(verdicts.map(({ verdict }) => verdict.backend)).toEqual(['a', 'b']);
  });
});

describe('silence', () => {
  const stalled = (quiet: number) =>
    candidate('silent', {
      service: measured(1),
      busyLanes: 1,
      instancesInFlight: 50,
      bytesInFlight: 40e6,
      quiet: { since: now - quiet * 1000, instances: 50, bytes: 40e6 },
    });
  const small = study('1.2.3', { instances: 2, bytes: 16e6 });

  test('is no evidence before three seconds and three times what is under way should take', () => {
    // 50 images and 40 MB: 1.07 s.
    for (const quiet of [0.5, 1.5, 2.9, 3.1]) {
      const [score] = choose(small, stalled(quiet)).scores;
      expect(score?.inputs).toMatchObject({ efficiency: 1 });
      expect(score?.inputs).not.toHaveProperty('quietSeconds');
    }
    const slow = (quiet: number) => choose(small, { ...stalled(quiet), service: measured(10) }).scores[0];
    expect(slow(30)?.inputs).toMatchObject({ efficiency: 1 });
    expect(slow(33)?.inputs).toHaveProperty('quietSeconds');
  });

  test('then the longer it lasts the slower the backend is taken to be', () => {
    const at = (quiet: number) => seconds(choose(small, stalled(quiet)), 'silent');
    expect(at(6)).toBeGreaterThan(4 * at(1));
    expect(at(60)).toBeCloseTo(10 * at(6), 1);
  });
});

describe('exploration', () => {
  const known = candidate('known', { service: measured(0.5) });
  const small = (number: number, more: Partial<StudyToPlace> = {}) =>
    study(`1.2.3.${number}`, { instances: 2, bytes: 16e6, ...more });
  const visits = (candidates: readonly Candidate[], one: (number: number) => StudyToPlace = small) =>
    Array.from({ length: 400 }, (_, number) =>
      expectedCompletion.choose(one(number), candidates, now),
    ).filter((choice) => choice.kind === 'place' && choice.backend !== 'known').length;

  test('one that nothing is known of, or nothing was heard of for two minutes, gets a small study now and then', () => {
    const share = 400 * 0.05;
    const near = (count: number) => Math.abs(count - share) < 4 * Math.sqrt(share);
    expect(near(visits([known, candidate('new', { service: { ...prior, secondsPerByte: 1 / 50e6 } })]))).toBe(
      true,
    );
    const stale = candidate('stale', { service: measured(4, { sampledAt: now - 120_000 }) });
    expect(near(visits([known, stale]))).toBe(true);
    const choice = expectedCompletion.choose(firstTried([known, stale]), [known, stale], now);
    expect(choice.reason).toBe('a small study to try it with: nothing was sent there for two minutes');
  });

  test.each([
    ['measured lately', { service: measured(4, { sampledAt: now - 119_000 }) }],
    ['with a study under way', { service: measured(4, { sampledAt: 0 }), studiesInFlight: 1 }],
    ['with a transfer under way', { service: measured(4, { sampledAt: 0 }), busyLanes: 1 }],
    ['so slow that ten seconds would be lost', { service: measured(45, { sampledAt: 0 }) }],
  ])('one %s gets none', (_name, more) => {
    expect(visits([known, candidate('other', more)])).toBe(0);
  });

  test('no large study and none that goes on arriving is used for it', () => {
    const stale = candidate('stale', { service: measured(1.2, { sampledAt: 0 }) });
    const large = (number: number) =>
      small(number, { expected: { instances: 51, bytes: 20e6, arrivesIn: 0 } });
    const late = (number: number) =>
      small(number, { expected: { instances: 40, bytes: 20e6, arrivesIn: 30 } });
    expect(visits([known, stale], large)).toBe(0);
    expect(visits([known, stale], late)).toBe(0);
  });

  test('cold start: all equal and unmeasured, so in turn', () => {
    let candidates: readonly Candidate[] = ['a', 'b', 'c'].map((name) => candidate(name));
    const seen: string[] = [];
    for (let number = 0; number < 6; number++) {
      const backend = chosen(expectedCompletion.choose(small(number), candidates, now));
      seen.push(backend);
      // It ends before the next one comes, and is not learnt.
      candidates = candidates.map((each) =>
        each.backend === backend ? { ...each, lastPlacement: number + 1 } : each,
      );
    }
    expect(seen.join('')).toBe('abcabc');
  });

  function firstTried(candidates: readonly Candidate[]): StudyToPlace {
    for (let number = 0; ; number++) {
      const choice = expectedCompletion.choose(small(number), candidates, now);
      if (choice.kind === 'place' && choice.backend !== 'known') return small(number);
    }
  }
});

describe('what may be switched off', () => {
  const busy = candidate('fast', {
    service: measured(0.5),
    busyLanes: 2,
    instancesInFlight: 50,
    bytesInFlight: 30e6,
  });
  const slow = candidate('slow', { service: measured(5) });

  test('late binding', () => {
    expect(chosen(expectedCompletionWith({ lateBinding: false }).choose(whole(), [busy, slow], now))).toBe(
      'fast',
    );
  });

  test('prediction', () => {
    const [score] = expectedCompletionWith({ size: 'arrived' }).choose(arriving(20), [slow], now).scores;
    expect(score?.inputs).toMatchObject({ instances: 1, arrivesIn: 0 });
  });

  test('efficiency', () => {
    const sluggish = candidate('a', { service: measured(1, { logEfficiency: -2, logBaseline: -2 }) });
    const [score] = expectedCompletionWith({ efficiency: false }).choose(whole(), [sluggish], now).scores;
    expect(score?.inputs).toMatchObject({ efficiency: 1 });
  });

  test('the second parameter', () => {
    const perInstance = candidate('a', { service: measured(1, { secondsPerInstance: 0.1 }) });
    const one = study('1.2.3', { instances: 1000, bytes: 1e6 });
    const single = expectedCompletionWith({ oneParameter: true }).choose(one, [perInstance], now);
    expect(seconds(single, 'a')).toBeLessThan(1);
    expect(seconds(choose(one, perInstance), 'a')).toBeGreaterThan(40);
  });
});

describe('a large farm', () => {
  const farm = Array.from({ length: 1000 }, (_, index) =>
    candidate(`b${index}`, { service: measured(1 + (index % 40) / 10), lastPlacement: 1000 - index }),
  );

  test('the best are kept with their figures, the chosen one among them', () => {
    const choice = expectedCompletion.choose(whole(), farm, now);
    expect(choice.scores).toHaveLength(16);
    expect(
      choice.scores.filter(({ passedOver }) => passedOver === null).map(({ backend }) => backend),
    ).toEqual([chosen(choice)]);
    expect(Math.min(...choice.scores.map(({ score }) => score))).toBe(scoreOf(choice, chosen(choice)));
  });

  test('a decision takes well under five milliseconds', () => {
    const waiting = Array.from({ length: 128 }, (_, index) => ({
      study: arriving(index % 2 === 0 ? 0 : 20, { studyUid: `1.2.3.${index}` }),
      holdings: nobodyAsked,
      taken: new Map<string, string>(),
    }));
    const times: number[] = [];
    let before = performance.now();
    for (const _ of decideRound(expectedCompletion, waiting, farm, now)) {
      times.push(performance.now() - before);
      before = performance.now();
    }
    // The median: other things run on this machine.
    expect(times.toSorted((a, b) => a - b)[64]).toBeLessThan(3);
  });
});

test('whatever the figures, it chooses or waits for one of those it was given, and changes nothing', () => {
  const figure = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e12, noNaN: true }));
  const any = fc.record({
    weight: fc.double({ min: 1e-300, max: 1e3, noNaN: true }),
    lanes: fc.integer({ min: 1, max: 64 }),
    busyLanes: fc.integer({ min: 0, max: 64 }),
    instancesInFlight: figure,
    bytesInFlight: figure,
    reserved: fc.record({
      instances: figure,
      bytes: figure,
      instancesPerSecond: figure,
      bytesPerSecond: figure,
    }),
    quiet: fc.option(
      fc.record({ since: fc.integer({ min: -1e9, max: 2e9 }), instances: figure, bytes: figure }),
    ),
    service: fc
      .record({ slower: fc.double({ min: 0.02, max: 50, noNaN: true }) })
      .map(({ slower }) => measured(slower)),
  });
  const size = fc.record({
    instances: fc.integer({ min: 1, max: 1e6 }),
    bytes: fc.integer({ min: 0, max: 1e13 }),
    arrivesIn: fc.double({ min: 0, max: 1800, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(any, { minLength: 1, maxLength: 6 }), size, (figures, expected) => {
      const candidates = figures.map((each, index) => Object.freeze(candidate(`b${index}`, each)));
      const choice = expectedCompletion.choose(study('1.2.3', { expected }), candidates, now);
      expect(candidates.map(({ backend }) => backend)).toContain(choice.backend);
      for (const { score } of choice.scores) expect(score).toBeGreaterThan(0);
      const again = expectedCompletion.choose(study('1.2.3', { expected }), candidates, now);
      expect(again).toEqual(choice);
      expect(again.scores).toEqual(choice.scores);
    }),
  );
});
