import type { Score } from './policy.ts';

/** A candidate's score with what settles a tie: lower is better, compared from left to right. */
export interface Ranked {
  readonly score: Score;
  readonly tieBreaks: readonly number[];
}

export interface Best {
  readonly score: Score;
  /** What told it apart: -1 the score itself, otherwise the index of the tie-break; `tieBreaks.length`: its place in the list. */
  readonly decidedBy: number;
}

/**
 * The best of the ranked; where everything is equal, the one that comes first. The figures are copied by the caller before
 * anything is compared, so the order cannot change under the comparison. NaN, the mark of a figure that nobody measured,
 * counts as the worst there is: an unmeasured backend must not look infinitely fast.
 *
 * @throws RangeError when nothing is given: candidates are filtered, and counted, before a policy is asked.
 */
export function best(ranked: readonly Ranked[]): Best {
  const [first, ...others] = ranked;
  if (first === undefined) throw new RangeError('a policy was asked to choose among no backends');
  let leader = first;
  for (const challenger of others) {
    if (compare(challenger, leader).sign < 0) leader = challenger;
  }
  let decidedBy = -1;
  for (const other of ranked) {
    if (other !== leader) decidedBy = Math.max(decidedBy, compare(other, leader).at);
  }
  return { score: leader.score, decidedBy };
}

/** The sign of the first difference and where it stands, numbered as in `Best.decidedBy`. */
function compare(a: Ranked, b: Ranked): { readonly sign: number; readonly at: number } {
  const left = [a.score.score, ...a.tieBreaks];
  const right = [b.score.score, ...b.tieBreaks];
  for (const [index, value] of left.entries()) {
    const sign = worstIfUnknown(value) - worstIfUnknown(right[index] ?? Number.NaN);
    // Infinity - Infinity is NaN: both unknown, so neither is better.
    if (sign !== 0 && !Number.isNaN(sign)) return { sign, at: index - 1 };
  }
  return { sign: 0, at: left.length - 1 };
}

function worstIfUnknown(value: number): number {
  return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
}
