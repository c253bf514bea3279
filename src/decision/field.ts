import { type Kin, kinOf } from '../backends/model/kin.ts';
import type { EpochMs, StudySize } from '../study.ts';
import type { Candidate } from './policy.ts';
import { type ProspectOptions, type Reckoning, reckon, type Standing, standingOf } from './prospect.ts';

/** What one study may look forward to on each of the candidates, which are numbered in the order given. */
export interface Field {
  readonly standings: readonly Standing[];
  readonly scores: ArrayLike<number>;
  /** The best of all; -1: there are none. */
  readonly best: number;
  /** The best of those with a free lane; -1: none has one. */
  readonly bestFree: number;
  /** The numbers of the best so many, in no order. */
  first(count: number): readonly number[];
}

/**
 * Reckons fields. What it returns is good until it is asked the next time: the figures stand in the same place again. How a candidate
 * stands is kept from one study to the next, since candidates are copied when they change and a round asks about one moment: of
 * a thousand, one has changed since the study before.
 */
export function createFields(
  options: ProspectOptions,
): (size: StudySize, candidates: readonly Candidate[], now: EpochMs) => Field {
  let standings: Standing[] = [];
  let at: EpochMs = Number.NaN;
  let kin: Kin | null = null;
  let scores = new Float64Array(0);
  let booked = new Float64Array(0);
  const one: Reckoning = { score: 0, seconds: 0, booked: 0, ownSeconds: 0 };

  function stand(candidates: readonly Candidate[], now: EpochMs): void {
    if (now !== at || !areSameModels(candidates)) {
      standings = [];
      kin = options.kin
        ? kinOf(
            candidates.map(({ service }) => service),
            now,
          )
        : null;
    }
    at = now;
    for (let index = 0; index < candidates.length; index++) {
      const candidate = candidates[index];
      if (candidate === undefined || standings[index]?.candidate === candidate) continue;
      standings[index] = standingOf(candidate, kin, now, options);
    }
    if (scores.length >= candidates.length) return;
    scores = new Float64Array(candidates.length);
    booked = new Float64Array(candidates.length);
  }

  /** What they have in common is made of all of them. */
  function areSameModels(candidates: readonly Candidate[]): boolean {
    return (
      standings.length === candidates.length &&
      standings.every(({ candidate }, index) => candidate.service === candidates[index]?.service)
    );
  }

  /** Whether the first is the better place: by its score, then less booked, then left alone for longer. */
  function isBetter(a: number, b: number): boolean {
    const scoreA = scores[a] ?? 0;
    const scoreB = scores[b] ?? 0;
    if (scoreA !== scoreB) return scoreA < scoreB;
    const bookedA = booked[a] ?? 0;
    const bookedB = booked[b] ?? 0;
    if (bookedA !== bookedB) return bookedA < bookedB;
    return lastPlacementOf(a) < lastPlacementOf(b);
  }

  function lastPlacementOf(index: number): number {
    return standings[index]?.candidate.lastPlacement ?? 0;
  }

  /** One pass; sorting a thousand for each study would be most of a decision. */
  function first(count: number): readonly number[] {
    const kept: number[] = [];
    for (let index = 0; index < standings.length; index++) {
      const last = kept.at(-1);
      if (kept.length >= count && last !== undefined && !isBetter(index, last)) continue;
      const place = kept.findIndex((other) => isBetter(index, other));
      kept.splice(place === -1 ? kept.length : place, 0, index);
      if (kept.length > count) kept.pop();
    }
    return kept;
  }

  return (size, candidates, now) => {
    stand(candidates, now);
    let best = -1;
    let bestFree = -1;
    for (let index = 0; index < standings.length; index++) {
      const standing = standings[index];
      if (standing === undefined) continue;
      reckon(size, standing, one);
      scores[index] = one.score;
      booked[index] = one.booked;
      if (best === -1 || isBetter(index, best)) best = index;
      if (standing.isFree && (bestFree === -1 || isBetter(index, bestFree))) bestFree = index;
    }
    return { standings, scores, best, bestFree, first };
  };
}
