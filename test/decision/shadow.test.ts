import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { presentComparisons } from '../../src/admin/present-shadow.ts';
import { decide, nobodyAsked } from '../../src/decision/decide.ts';
import { place } from '../../src/decision/place.ts';
import { leastInFlight } from '../../src/decision/policies/least-in-flight.ts';
import { roundRobin } from '../../src/decision/policies/round-robin.ts';
import { policies } from '../../src/decision/policies.ts';
import type { Policy } from '../../src/decision/policy.ts';
import { createShadow, type Shadow, type ShadowOptions } from '../../src/decision/shadow.ts';
import { silentLogger } from '../../src/log.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { candidate, study } from './candidates.ts';

interface Desk extends Rig {
  readonly shadow: Shadow;
  /** Receives one study and places it by the policy, with the other beside it. Returns where it went. */
  place(studyUid: string, policy?: Policy): string | null;
  counts(): ReturnType<Rig['ledger']['shadowCounts']>;
}

async function desk(trial: Policy | null, more: Partial<ShadowOptions> = {}): Promise<Desk> {
  const base = await rig(['orthanc1', 'orthanc2'].map((name) => backendConfig(name)));
  onTestFinished(() => base[Symbol.asyncDispose]());
  base.allUp();
  const { ledger, pool, time } = base;
  const shadow = createShadow({
    ledger,
    trial: () => trial,
    clock: time.clock,
    log: silentLogger(),
    timers: time,
    stopwatch: () => 0,
    ...more,
  });
  return {
    ...base,
    shadow,
    place(studyUid, policy = leastInFlight) {
      const now = time.clock();
      ledger.received(arrival(studyUid), now);
      const one = ledger.unplacedStudy(studyUid, 0);
      if (one === null) return null;
      const { instances, bytes } = one;
      const verdict = decide(
        shadow.beside(policy),
        { ...one, expected: { instances, bytes, arrivesIn: 0 } },
        pool.candidates(),
        now,
      );
      const outcome = place(ledger, policy.name, one, verdict, nobodyAsked, now);
      return outcome.kind === 'placed' ? outcome.backend : null;
    },
    counts: () => ledger.shadowCounts({ from: 0, to: Number.MAX_SAFE_INTEGER }),
  };
}

const throwing: Policy = {
  name: 'throwing',
  choose: () => {
    throw new Error('it is broken');
  },
};

test('whatever is on trial, the policy beside it chooses what it would have chosen alone', () => {
  const trials: readonly Policy[] = [throwing, ...Object.values(policies)];
  const one = fc.record({
    instancesInFlight: fc.nat(500),
    bytesInFlight: fc.nat(1e9),
    studiesInFlight: fc.nat(20),
    busyLanes: fc.nat(2),
    lastPlacement: fc.nat(1000),
  });
  fc.assert(
    fc.property(
      fc.array(one, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(...trials),
      fc.constantFrom(...Object.values(policies)),
      (some, trial, policy) => {
        const candidates = some.map((more, index) => candidate(`b${index}`, more));
        const shadow = createShadow({
          ledger: { noteShadow: () => undefined },
          trial: () => trial,
          clock: () => 0,
          log: silentLogger(),
          timers: { every: () => () => undefined, after: () => () => undefined },
        });
        const beside = shadow.beside(policy);
        const [watched, alone] = [beside, policy].map((each) => each.choose(study(), candidates, 5));
        expect(watched).toEqual(alone);
        expect(watched?.scores).toEqual(alone?.scores);
        expect({ ...beside, choose: null }).toEqual({ ...policy, choose: null });
      },
    ),
  );
});

test('what it would have chosen is kept beside what was chosen', async () => {
  const d = await desk({
    ...roundRobin,
    choose: (one, candidates, now) => ({ ...roundRobin.choose(one, candidates, now), backend: 'orthanc2' }),
  });
  expect(d.place('1.1')).toBe('orthanc1');
  expect(d.place('1.2')).toBe('orthanc2');
  d.time.advance(1_000);
  expect(presentComparisons(d.counts())).toEqual([
    {
      policy: 'least-in-flight',
      shadow: 'round-robin',
      studies: 2,
      same: 1,
      otherBackend: 1,
      wouldWait: 0,
      failed: 0,
      agreement: 0.5,
      timed: 2,
      seconds: expect.any(Number),
      shadowSeconds: expect.any(Number),
      backends: [
        { backend: 'orthanc1', policy: 1, shadow: 0, both: 0 },
        { backend: 'orthanc2', policy: 1, shadow: 2, both: 1 },
      ],
    },
  ]);
  const differing = d.ledger.shadowDiffering({ from: 0, to: Number.MAX_SAFE_INTEGER }, 10);
  expect(differing).toMatchObject([{ studyUid: '1.1', backend: 'orthanc1', shadowBackend: 'orthanc2' }]);
  // Nothing of it was acted on.
  expect(d.ledger.assignments('1.1')).toMatchObject([{ backend: 'orthanc1', epoch: 1 }]);
});

test('one that waits is told apart from one that goes elsewhere', async () => {
  const d = await desk({
    name: 'patient',
    choose: () => ({ kind: 'wait', backend: 'orthanc2', holdsPlace: true, reason: 'later', scores: [] }),
  });
  d.place('1.1');
  d.time.advance(1_000);
  expect(presentComparisons(d.counts())).toMatchObject([{ same: 0, otherBackend: 0, wouldWait: 1 }]);
});

test('one that throws costs nobody anything, and is said once', async () => {
  const log = silentLogger();
  const warn = vi.spyOn(log, 'warn');
  const d = await desk(throwing, { log });
  for (let number = 0; number < 5; number++) expect(d.place(`1.${number}`)).not.toBeNull();
  d.time.advance(60_000);
  expect(presentComparisons(d.counts())).toMatchObject([{ studies: 5, failed: 5, same: 0, timed: 0 }]);
  expect(warn.mock.calls.map(([message]) => message)).toEqual(['the policy on trial fails']);
});

test('one that is slow thinks a twentieth of the time, and what comes faster is left out', async () => {
  let spent = 0;
  const slow: Policy = {
    name: 'slow',
    choose(one, candidates, now) {
      spent += 50;
      return leastInFlight.choose(one, candidates, now);
    },
  };
  const d = await desk(slow, { stopwatch: () => spent });
  for (let number = 0; number < 600; number++) expect(d.place(`1.${number}`)).not.toBeNull();
  expect(spent).toBe(0);
  const began = d.time.clock();
  d.time.advance(30_000);
  expect(spent).toBeGreaterThan(1_000);
  // This clock does not go on while it thinks, so only its rests are on it: 19 of 20 parts.
  expect(spent).toBeLessThanOrEqual((d.time.clock() - began) / 19 + 50);
  expect(d.shadow.state().leftOut).toBe(600 - 512);
});

test('a ledger that will not keep comparisons keeps placements', async () => {
  const d = await desk(roundRobin, {
    ledger: {
      noteShadow: () => {
        throw new Error('disk full');
      },
    },
  });
  expect(d.place('1.1')).toBe('orthanc1');
  d.time.advance(1_000);
  expect(d.shadow.state()).toMatchObject({ notKept: 1, leftOut: 0 });
});

test('a placement that was never committed is not compared', async () => {
  const d = await desk(roundRobin);
  d.ledger.received(arrival('1.1'), d.time.clock());
  d.shadow.beside(leastInFlight).choose(study('1.1'), d.pool.candidates(), d.time.clock());
  d.time.advance(1_000);
  expect(d.counts()).toEqual([]);
});

test('after 30 days a comparison is forgotten', async () => {
  const d = await desk(roundRobin);
  d.place('1.1');
  d.time.advance(31 * 86_400_000);
  d.place('1.2');
  d.time.advance(1_000);
  expect(presentComparisons(d.counts())).toMatchObject([{ studies: 1 }]);
});

test('without a policy on trial nothing is wrapped, and stopped it leaves no timer', async () => {
  const none = await desk(null);
  expect(none.shadow.beside(leastInFlight)).toBe(leastInFlight);
  const d = await desk(roundRobin);
  const before = d.time.waiting;
  d.place('1.1');
  expect(d.time.waiting).toBe(before + 1);
  d.shadow.stop();
  expect(d.time.waiting).toBe(before);
  d.place('1.2');
  expect(d.time.waiting).toBe(before);
});
