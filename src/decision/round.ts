import type { EpochMs, StudyToPlace } from '../study.ts';
import { afterPlacement, decide, type Holdings, type Verdict } from './decide.ts';
import type { Taken } from './eligible.ts';
import type { Candidate, Policy } from './policy.ts';

/** A study that has no backend yet, with what the backends said they hold of it. */
export interface Unplaced {
  readonly study: StudyToPlace;
  readonly holdings: Holdings;
  readonly taken: Taken;
}

/** Studies looked at together; those behind them have their turn when these are placed. */
export const studiesInARound = 128;

/**
 * One round over the studies that wait, given oldest first: the policy says in which order, the first of them are decided, and those
 * behind one see the farm as it is then: also with what only waits for a backend, which has a virtual place there. Without that
 * everybody would wait for the fastest. Lazy, so that whoever keeps the decisions may stop when the hook must be answered.
 *
 * Pure: the service and a simulation run these lines.
 *
 * @throws Error as `decide`
 */
export function* decideRound(
  policy: Policy,
  waiting: readonly Unplaced[],
  candidates: readonly Candidate[],
  now: EpochMs,
): Generator<{ readonly one: Unplaced; readonly verdict: Verdict }, void, undefined> {
  let seen = candidates;
  for (const one of inOrder(policy, waiting, candidates, now)) {
    const verdict = decide(policy, one.study, seen, now, one.holdings, one.taken);
    const place = verdict.backend ?? verdict.waitsFor;
    if (place !== null) seen = afterPlacement(seen, place, one.study);
    yield { one, verdict };
  }
}

/** Ordered before it is cut: the largest study of a batch may be the youngest of a thousand. */
function inOrder(
  policy: Policy,
  waiting: readonly Unplaced[],
  candidates: readonly Candidate[],
  now: EpochMs,
): readonly Unplaced[] {
  if (policy.order === undefined) return waiting.slice(0, studiesInARound);
  const byStudy = new Map(waiting.map((one) => [one.study, one]));
  const ordered = policy.order([...byStudy.keys()], candidates, now).slice(0, studiesInARound);
  return ordered.flatMap((study) => byStudy.get(study) ?? []);
}
