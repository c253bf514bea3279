import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterPlacement, decide } from '../../src/decision/decide.ts';
import { splitEligible } from '../../src/decision/eligible.ts';
import { leastInFlight } from '../../src/decision/policies/least-in-flight.ts';
import type { Policy } from '../../src/decision/policy.ts';
import { candidate, study } from './candidates.ts';

const nothing = new Map<string, never>();
const passedOver = (verdict: ReturnType<typeof decide>) =>
  Object.fromEntries(verdict.considered.map((each) => [each.backend, each.passedOver]));

describe('eligibility', () => {
  test.each([
    [{ operator: 'drain' }, 'drain: takes no new studies'],
    [{ operator: 'maint' }, 'maint: taken out by an operator'],
    [{ health: 'down', healthReason: 'no answer since noon' }, 'no answer since noon'],
    [{ health: 'down' }, 'down'],
    [{ health: 'unknown' }, 'not heard from yet'],
    [{ weight: 0 }, 'weight 0: nothing new'],
    [{ weight: Number.NaN }, 'weight 0: nothing new'],
    [
      { operator: 'drain', health: 'down', weight: 0 },
      'drain: takes no new studies; down; weight 0: nothing new',
    ],
  ] as const)('%o is passed over, with everything that stands in the way', (more, reason) => {
    const one = candidate('a', more);
    expect(splitEligible([one], new Map())).toEqual({
      eligible: [],
      passedOver: [{ candidate: one, reason }],
    });
  });

  test('a backend with another copy of the study is passed over', () => {
    const split = splitEligible(
      [candidate('a'), candidate('b')],
      new Map([['a', 'has another copy of this study']]),
    );
    expect(split.eligible.map((each) => each.backend)).toEqual(['b']);
    expect(split.passedOver[0]?.reason).toBe('has another copy of this study');
  });

  test('one whose transfers fail is passed over, with the reason', () => {
    const failing = candidate('a', { breakerReason: 'its last transfers failed (HTTP 500)' });
    const split = splitEligible([failing, candidate('b')], new Map());
    expect(split.eligible.map((each) => each.backend)).toEqual(['b']);
    expect(split.passedOver).toEqual([
      { candidate: failing, reason: 'its last transfers failed (HTTP 500)' },
    ]);
  });

  test.each([
    // The disk's size, what is free, what the study needs; whether it may go there.
    [null, 20e9, 0, true],
    [null, 20e9, 1, false],
    [1e12, 51e9, 1e9, true], // 5 % of it
    [1e12, 50e9, 1e9, false],
    [100e9, 21e9, 1e9, true], // 20 GB
    [100e9, 20e9, 1e9, false],
    [50e9, 11e9, 1e9, true], // a fifth of it: otherwise a small disk would take nothing at all
    [50e9, 10e9, 1e9, false],
    [50e9, null, 1e15, true], // not known
    [1e12, Number.NaN, 0, false],
  ])('disk of %s bytes with %s free, for %s more: %s', (diskBytes, freeBytes, bytes, may) => {
    const one = candidate('a', { diskBytes, freeBytes });
    const { eligible, passedOver: out } = splitEligible([one], new Map(), bytes);
    expect(eligible).toHaveLength(may ? 1 : 0);
    if (!may) expect(out[0]?.reason).toMatch(/^too little free on its disk: \d+ GB stay free$/);
  });

  test('what a study is expected to need counts, not what has arrived of it', () => {
    const one = candidate('a', { diskBytes: 100e9, freeBytes: 21e9 });
    const growing = study('1.2.3', { expected: { instances: 900, bytes: 2e9, arrivesIn: 60 } });
    expect(decide(leastInFlight, growing, [one], 0).backend).toBeNull();
    expect(decide(leastInFlight, study(), [one], 0).backend).toBe('a');
  });

  test('failed transfers count for nothing where they speak against more than half of those that are left', () => {
    const failing = { breakerReason: 'its last transfers failed' };
    const all = [
      candidate('a', failing),
      candidate('b', failing),
      candidate('c'),
      candidate('d', { operator: 'maint' }),
    ];
    expect(splitEligible(all, new Map()).eligible.map((each) => each.backend)).toEqual(['a', 'b', 'c']);
    expect(splitEligible([candidate('a', failing)], new Map()).eligible).toHaveLength(1);
  });

  test('whatever is out, what is eligible is never less than half of what stands in no other way', () => {
    const some = fc.array(
      fc.record({
        breakerReason: fc.constantFrom(null, 'failed'),
        operator: fc.constantFrom('ready' as const, 'drain' as const),
        health: fc.constantFrom('up' as const, 'down' as const),
      }),
    );
    fc.assert(
      fc.property(some, (each) => {
        const candidates = each.map((more, index) => candidate(`b${index}`, more));
        const sound = candidates.filter(({ operator, health }) => operator === 'ready' && health === 'up');
        const split = splitEligible(candidates, new Map());
        expect(split.eligible.length + split.passedOver.length).toBe(candidates.length);
        expect(split.eligible.length * 2).toBeGreaterThanOrEqual(sound.length);
        expect(sound).toEqual(expect.arrayContaining([...split.eligible]));
      }),
    );
  });
});

describe('deciding', () => {
  test('the policy chooses among the eligible, and every candidate stands in the decision with its reason', () => {
    const verdict = decide(
      leastInFlight,
      study(),
      [
        candidate('a', { studiesInFlight: 1 }),
        candidate('b', { operator: 'drain' }),
        candidate('c'),
        candidate('d', { lastPlacement: 4 }),
      ],
      0,
    );
    expect(verdict).toMatchObject({ kind: 'placed', backend: 'c' });
    expect(passedOver(verdict)).toEqual({
      a: 'score 2 against 1',
      b: 'drain: takes no new studies',
      c: null,
      d: 'equal score, lost the tie',
    });
    expect(verdict.considered[2]?.inputs).toEqual({
      state: 'ready, up',
      studiesInFlight: 0,
      instancesInFlight: 0,
      weight: 1,
      lastPlacement: 0,
    });
  });

  test('nobody eligible: the study waits, and the reason names each', () => {
    const verdict = decide(
      leastInFlight,
      study(),
      [candidate('a', { operator: 'maint' }), candidate('b', { health: 'down', healthReason: 'no answer' })],
      0,
    );
    expect(verdict).toMatchObject({
      kind: 'waiting',
      backend: null,
      reason: 'no backend can take it: a: maint: taken out by an operator | b: no answer',
    });
  });

  test('the reason stays short on a large farm, and no backends at all is a reason too', () => {
    const many = Array.from({ length: 50 }, (_, index) => candidate(`b${index}`, { weight: 0 }));
    const verdict = decide(leastInFlight, study(), many, 0);
    expect(verdict.reason).toMatch(/and 46 more$/);
    expect(verdict.considered).toHaveLength(24);
    expect(verdict.considered.at(-1)).toEqual({
      backend: '(27 more)',
      score: null,
      passedOver: '27 that it could not or need not go to',
      inputs: {},
    });
    expect(decide(leastInFlight, study(), [], 0).reason).toBe('there are no backends');
  });

  test('a study follows the backend that holds most of it', () => {
    const held = new Map([
      ['a', 3],
      ['b', 40],
      ['c', 0],
    ]);
    const verdict = decide(
      leastInFlight,
      study(),
      [candidate('c'), candidate('a'), candidate('b', { studiesInFlight: 99 })],
      0,
      { held, silent: new Map([['d', 'did not answer in time']]) },
    );
    expect(verdict).toMatchObject({
      kind: 'followed',
      backend: 'b',
      reason:
        'holds 40 instances of this study already, of which a part is also on a (3 instances); did not say whether they hold it: d (did not answer in time)',
      alsoOn: 'a (3 instances)',
    });
    expect(passedOver(verdict)).toEqual({
      a: 'holds 3 instances of this study',
      b: null,
      c: 'holds nothing of this study',
    });
  });

  test('of equals the first in the topology, not the first to answer', () => {
    const held = new Map([
      ['b', 1],
      ['a', 1],
    ]);
    const verdict = decide(leastInFlight, study(), [candidate('a'), candidate('b')], 0, {
      held,
      silent: nothing,
    });
    expect(verdict).toMatchObject({ backend: 'a', alsoOn: 'b (1 instance)' });
  });

  test.each([
    [{ operator: 'drain' }, 'although drain: takes no new studies'],
    [
      { operator: 'maint', health: 'down', healthReason: 'no answer' },
      'although maint: taken out by an operator; no answer',
    ],
    [{ weight: 0 }, 'holds 2 instances'],
  ] as const)('it follows to one that takes nothing new too, and says so: %o', (more, text) => {
    const verdict = decide(leastInFlight, study(), [candidate('a', more), candidate('b')], 0, {
      held: new Map([['a', 2]]),
      silent: nothing,
    });
    expect(verdict).toMatchObject({ kind: 'followed', backend: 'a' });
    expect(verdict.reason).toContain(text);
  });

  test('a second copy neither follows nor joins the first', () => {
    const verdict = decide(
      leastInFlight,
      study('1.2.3', { copy: 1 }),
      [candidate('a'), candidate('b', { studiesInFlight: 50 })],
      0,
      { held: new Map([['a', 300]]), silent: nothing },
      new Map([['a', 'has another copy of this study']]),
    );
    expect(verdict).toMatchObject({ kind: 'placed', backend: 'b' });
    const followed = decide(
      leastInFlight,
      study('1.2.3', { copy: 1 }),
      [candidate('a'), candidate('b'), candidate('c')],
      0,
      {
        held: new Map([
          ['a', 300],
          ['b', 2],
        ]),
        silent: nothing,
      },
      new Map([['a', 'has another copy of this study']]),
    );
    expect(followed).toMatchObject({ kind: 'followed', backend: 'b', alsoOn: null });
  });

  test('a study that is bound anew goes to none of those it must not go to, each with its own reason', () => {
    const verdict = decide(
      leastInFlight,
      study(),
      [candidate('a'), candidate('b'), candidate('c', { studiesInFlight: 9 })],
      0,
      undefined,
      new Map([
        ['a', 'the study leaves it'],
        ['b', 'refused an instance of this study'],
      ]),
    );
    expect(verdict).toMatchObject({ kind: 'placed', backend: 'c' });
    expect(passedOver(verdict)).toEqual({
      a: 'the study leaves it',
      b: 'refused an instance of this study',
      c: null,
    });
  });

  test('those that were silent are named when a policy chose without them', () => {
    const verdict = decide(leastInFlight, study(), [candidate('a'), candidate('b')], 0, {
      held: new Map([['a', 0]]),
      silent: new Map([['b', 'connection refused']]),
    });
    expect(verdict.reason).toMatch(/; did not say whether they hold it: b \(connection refused\)$/);
    expect(verdict.considered[1]?.inputs).toMatchObject({ lookup: 'connection refused' });
    expect(verdict.considered[0]?.inputs).toMatchObject({ held: 0 });
  });

  test('a policy may wait; one that chooses what it was not offered is a mistake', () => {
    const patient: Policy = {
      name: 'patient',
      choose: () => ({
        kind: 'wait',
        backend: 'a',
        holdsPlace: false,
        reason: 'a better one is soon free',
        scores: [],
      }),
    };
    expect(decide(patient, study(), [candidate('a')], 0)).toMatchObject({
      kind: 'waiting',
      reason: 'a better one is soon free',
      considered: [{ backend: 'a', passedOver: 'waiting for a better one' }],
    });
    const wild: Policy = {
      name: 'wild',
      choose: () => ({ kind: 'place', backend: 'b', reason: '', scores: [] }),
    };
    expect(() => decide(wild, study(), [candidate('a'), candidate('b', { operator: 'drain' })], 0)).toThrow(
      'policy wild chose b, which was not eligible',
    );
  });
});

test('on a large farm a decision names those that matter, in the order given, and counts the others', () => {
  const many = Array.from({ length: 100 }, (_, index) =>
    candidate(`b${index}`, {
      studiesInFlight: (index * 37) % 100,
      operator: index % 10 === 9 ? 'drain' : 'ready',
    }),
  );
  const verdict = decide(leastInFlight, study(), many, 0);
  expect(verdict.considered).toHaveLength(24);
  expect(verdict.considered.filter(({ passedOver: why }) => why === null)).toMatchObject([{ backend: 'b0' }]);
  const named = verdict.considered.slice(0, -1).map(({ backend }) => Number(backend.slice(1)));
  expect(named).toEqual(named.toSorted((a, b) => a - b));
  expect(Math.max(...verdict.considered.map(({ score }) => score ?? 0))).toBeLessThan(20);
  expect(verdict.considered.at(-1)).toMatchObject({
    backend: '(77 more)',
    passedOver: '74 that are no better, 3 that it could not or need not go to',
  });
  const followed = decide(leastInFlight, study(), many, 0, { held: new Map([['b77', 3]]), silent: nothing });
  expect(followed.considered.filter(({ passedOver: why }) => why === null)).toMatchObject([
    { backend: 'b77' },
  ]);
  expect(followed.considered).toHaveLength(24);
});

test('what is still to come of a study is reserved where it is placed, at its pace', () => {
  const [after] = afterPlacement([candidate('a')], 'a', {
    instances: 10,
    bytes: 500,
    expected: { instances: 110, bytes: 5500, arrivesIn: 20 },
  });
  expect(after).toMatchObject({
    instancesInFlight: 10,
    bytesInFlight: 500,
    reserved: { instances: 100, bytes: 5000, instancesPerSecond: 5, bytesPerSecond: 250 },
  });
  const [whole] = afterPlacement([candidate('a')], 'a', {
    instances: 10,
    bytes: 500,
    expected: { instances: 110, bytes: 5500, arrivesIn: 0 },
  });
  expect(whole).toMatchObject({ instancesInFlight: 110, bytesInFlight: 5500, reserved: { instances: 0 } });
});

test('a placement changes the loads the next decision sees', () => {
  const before = [
    candidate('a', { lastPlacement: 8 }),
    candidate('b', { studiesInFlight: 1, instancesInFlight: 5 }),
  ];
  const after = afterPlacement(before, 'b', { instances: 10, bytes: 500 });
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toMatchObject({
    studiesInFlight: 2,
    instancesInFlight: 15,
    bytesInFlight: 500,
    lastPlacement: 9,
  });
});
