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
      choose: () => ({ kind: 'wait', backend: null, reason: 'a better one is soon free', scores: [] }),
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
