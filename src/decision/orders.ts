import { efficiency, expectedSeconds } from '../backends/model/service.ts';
import type { EpochMs, StudyToPlace } from '../study.ts';
import type { QueueOrder } from '../topology/topology.ts';
import type { Candidate, Policy } from './policy.ts';

type Order = NonNullable<Policy['order']>;

/** `critical`: a backlog shorter than this is no reason to leave the order of arrival. */
const backlogSeconds = 20;
/** `critical`: a study whose best case is at least this share of the backlog may be what everybody waits for in the end. */
const criticalShare = 0.25;

/** The order of that name, as `Policy.order`; null: the order of arrival. */
export function orderNamed(name: QueueOrder): Order | null {
  switch (name) {
    case 'fifo':
      return null;
    case 'critical':
      return critical;
    case 'express':
      return (studies, candidates, now) => sorted(studies, bestCases(studies, candidates, now), 1);
    case 'lpt':
      return (studies, candidates, now) => sorted(studies, bestCases(studies, candidates, now), -1);
  }
}

/**
 * The order of arrival, but under a backlog the few studies that are large enough to be the last to end go first, largest first: a batch
 * is done sooner when its largest study does not begin last, and everybody else waits hardly longer.
 */
const critical: Order = (studies, candidates, now) => {
  const cases = bestCases(studies, candidates, now);
  const backlog = backlogOf(studies, candidates, now);
  if (!(backlog >= backlogSeconds)) return studies;
  const isCritical = (study: StudyToPlace): boolean => (cases.get(study) ?? 0) >= criticalShare * backlog;
  const first = sorted(studies.filter(isCritical), cases, -1);
  return [...first, ...studies.filter((study) => !isCritical(study))];
};

/** Equal ones stay in the order of arrival. */
function sorted(
  studies: readonly StudyToPlace[],
  cases: ReadonlyMap<StudyToPlace, number>,
  sign: 1 | -1,
): readonly StudyToPlace[] {
  return studies.toSorted((a, b) => sign * ((cases.get(a) ?? 0) - (cases.get(b) ?? 0)));
}

/** For each study the seconds it takes on the idle backend that is fastest for it. */
function bestCases(
  studies: readonly StudyToPlace[],
  candidates: readonly Candidate[],
  now: EpochMs,
): ReadonlyMap<StudyToPlace, number> {
  const speeds = unbeaten(candidates, now);
  return new Map(
    studies.map((study) => {
      const { instances, bytes } = study.expected;
      let least = Number.POSITIVE_INFINITY;
      for (const { o, s } of speeds) least = Math.min(least, instances * o + bytes * s);
      return [study, least];
    }),
  );
}

/** The speeds of those backends that no other one beats both for each instance and for each byte: few, however many there are. */
function unbeaten(
  candidates: readonly Candidate[],
  now: EpochMs,
): readonly { readonly o: number; readonly s: number }[] {
  const speeds = candidates
    .map(({ service, weight }) => {
      const slower = 1 / (efficiency(service, now) * weight);
      return { o: service.secondsPerInstance * slower, s: service.secondsPerByte * slower };
    })
    .toSorted((a, b) => a.o - b.o || a.s - b.s);
  let best = Number.POSITIVE_INFINITY;
  return speeds.filter(({ s }) => {
    if (s >= best) return false;
    best = s;
    return true;
  });
}

/** Seconds until everything that is bound or waits would be done, were it spread evenly over all lanes. */
function backlogOf(studies: readonly StudyToPlace[], candidates: readonly Candidate[], now: EpochMs): number {
  const waiting = studies.reduce(
    (sum, { expected }) => ({
      instances: sum.instances + expected.instances,
      bytes: sum.bytes + expected.bytes,
    }),
    { instances: 0, bytes: 0 },
  );
  let rate = 0;
  let bound = 0;
  for (const { service, lanes, instancesInFlight, bytesInFlight } of candidates) {
    const alone = expectedSeconds(service, waiting, now);
    if (alone > 0) rate += lanes / alone;
    const own = expectedSeconds(service, { instances: instancesInFlight, bytes: bytesInFlight }, now);
    bound += own / lanes / candidates.length;
  }
  return bound + (rate > 0 ? 1 / rate : 0);
}
