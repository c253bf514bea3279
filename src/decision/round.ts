import type { EpochMs, StudyToPlace } from '../study.ts';
import { afterPlacement, decide, type Holdings, holdsAny, type Verdict } from './decide.ts';
import { isOpen, roomFor, type Taken } from './eligible.ts';
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
 * behind one see the farm as it is then: also with what only waits for a backend, and may have a virtual place there. Without that
 * everybody would wait for the fastest. Lazy, so that whoever keeps the decisions may stop when the hook must be answered.
 *
 * Once no lane is free anywhere the rest would wait, each of them, and comparing all backends for each only to learn that was most of the work of
 * a busy farm. `mustHear`: studies that are to have a verdict all the same, such as those whose waiting nobody has explained yet; the
 * round goes on to the last of these, over all before it, so that each sees the same as it would have. Without it, all.
 *
 * Pure: the service and a simulation run these lines.
 *
 * @throws Error as `decide`
 */
export function* decideRound<One extends Unplaced>(
  policy: Policy,
  waiting: readonly One[],
  candidates: readonly Candidate[],
  now: EpochMs,
  mustHear: (one: One) => boolean = () => true,
): Generator<{ readonly one: One; readonly verdict: Verdict }, void, undefined> {
  const ordered = inOrder(policy, waiting, candidates, now);
  const isFull = fullness(policy);
  let seen = candidates;
  /** What the next one is to see; those that are not looked at need not be shown anything. */
  let before: { readonly place: string; readonly study: StudyToPlace } | null = null;
  let end = ordered.length;
  let cut = false;
  for (let at = 0; at < end; at++) {
    const one = ordered[at];
    if (one === undefined) return;
    if (before !== null) seen = afterPlacement(seen, before.place, before.study);
    if (!cut && isFull(seen)) {
      cut = true;
      const isSure = waitsForSure(seen);
      end = 1 + ordered.findLastIndex((other) => mustHear(other) || !isSure(other));
    }
    if (at >= end) return;
    const verdict = decide(policy, one.study, seen, now, one.holdings, one.taken);
    const place = verdict.backend ?? (verdict.holdsPlace ? verdict.waitsFor : null);
    before = place === null ? null : { place, study: one.study };
    yield { one, verdict };
  }
}

/**
 * Whether a study can do nothing but wait for a lane, where none is free: no backend holds it, and somebody could take it. Otherwise it
 * is to be followed, or to be told that nobody can.
 */
function waitsForSure(candidates: readonly Candidate[]): (one: Unplaced) => boolean {
  const room = roomFor(candidates);
  return ({ study, holdings, taken }) =>
    study.expected.bytes < room && taken.size === 0 && !holdsAny(holdings);
}

/**
 * Says of a round's candidates whether no lane is free on any that some study may be given; asked again and again as the round goes on,
 * it looks at each of them once, since within a round none becomes free.
 */
function fullness({ lateBinding }: Policy): (candidates: readonly Candidate[]) => boolean {
  if (lateBinding === undefined) return () => false;
  let first = 0;
  return (candidates) => {
    for (; first < candidates.length; first++) {
      const candidate = candidates[first];
      if (candidate !== undefined && isOpen(candidate) && lateBinding.isFree(candidate)) return false;
    }
    return true;
  };
}

/** Ordered before it is cut: the largest study of a batch may be the youngest of a thousand. */
function inOrder<One extends Unplaced>(
  policy: Policy,
  waiting: readonly One[],
  candidates: readonly Candidate[],
  now: EpochMs,
): readonly One[] {
  if (policy.order === undefined) return waiting.slice(0, studiesInARound);
  const byStudy = new Map(waiting.map((one) => [one.study, one]));
  const ordered = policy.order([...byStudy.keys()], candidates, now).slice(0, studiesInARound);
  return ordered.flatMap((study) => byStudy.get(study) ?? []);
}
