import type { EpochMs, StudyToPlace } from '../../study.ts';
import { expectedSeconds } from '../model/service.ts';
import type { Candidate, Policy } from '../policy.ts';

/** A study goes to a backend with a free lane instead of the best one, which has none, if it is done there at most so much later. */
const hysteresis = 1.3;
/** Instances that go together: as many lanes as there are such parts may work on one study. */
const chunk = 50;

interface Prospect {
  readonly candidate: Candidate;
  /** Seconds from now until the study would be available there. */
  readonly seconds: number;
  readonly isFree: boolean;
}

/** Each study where it is expected to be available soonest; while that one is busy, it is better to wait for it than to be early on a slow one. */
export const expectedCompletion: Policy = {
  name: 'expected-completion',
  choose(study, candidates, now) {
    const prospects = candidates.map((candidate) => prospectOf(study, candidate, now));
    const scores = prospects.map(({ candidate, seconds }) => ({
      backend: candidate.backend,
      score: seconds,
      inputs: {},
    }));
    const best = soonest(prospects);
    const free = soonest(prospects.filter((prospect) => prospect.isFree));
    if (best === null) throw new RangeError('a policy was asked to choose among no backends');
    if (free !== null && free.seconds <= hysteresis * best.seconds) {
      return {
        kind: 'place',
        backend: free.candidate.backend,
        reason: 'expected to be available soonest',
        scores,
      };
    }
    const { backend } = best.candidate;
    return { kind: 'wait', backend, reason: `waits for a free lane of ${backend}`, scores };
  },
};

function soonest(prospects: readonly Prospect[]): Prospect | null {
  return prospects.reduce<Prospect | null>(
    (best, one) => (best === null || one.seconds < best.seconds ? one : best),
    null,
  );
}

function prospectOf(study: StudyToPlace, candidate: Candidate, now: EpochMs): Prospect {
  const { service, lanes, reserved, instancesInFlight, bytesInFlight, weight, busyLanes } = candidate;
  const ahead = expectedSeconds(service, { instances: instancesInFlight, bytes: bytesInFlight }, now);
  const share = expectedSeconds(
    service,
    { instances: reserved.instancesPerSecond, bytes: reserved.bytesPerSecond },
    now,
  );
  const wait = ahead / Math.max(0.1 * lanes, lanes - share);
  const width = Math.min(lanes, Math.ceil(study.expected.instances / chunk));
  const own = expectedSeconds(service, study.expected, now) / width / weight;
  return {
    candidate,
    seconds: Math.max(wait + own, study.expected.arrivesIn),
    isFree: busyLanes < lanes && share < lanes && ahead <= 0,
  };
}
