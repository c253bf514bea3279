import { hash } from 'node:crypto';
import type { Policy } from '../policy.ts';
import { best } from '../ranking.ts';

/**
 * Weighted rendezvous hashing (highest random weight; Thaler and Ravishankar 1998, weighted after Schindelhauer and Schomaker
 * 2005): each backend draws a number u from the study's UID and its own name, and the highest −weight ÷ ln(u) wins.
 * The same study goes to the same backend whatever else is going on; a backend added or removed moves no study between the others.
 *
 * The score kept is the reciprocal, −ln(u) ÷ weight, since lower is better here; the order is the same.
 */
export const rendezvous: Policy = {
  name: 'rendezvous',
  choose(study, candidates) {
    const ranked = candidates.map(({ backend, weight }) => {
      const draw = uniform(study.studyUid, backend);
      return { score: { backend, score: -Math.log(draw) / weight, inputs: { draw, weight } }, tieBreaks: [] };
    });
    const { score } = best(ranked);
    return {
      kind: 'place',
      backend: score.backend,
      reason: 'wins the weighted hash of the StudyInstanceUID',
      scores: ranked.map((each) => each.score),
    };
  },
};

/**
 * A number in (0, 1), both ends excluded, from the first bits of SHA-256 (FIPS 180-4). SHA-256 because every platform has it
 * and another program can check the draw; the cheap string hashes (FNV, djb2) spread UIDs, which differ in few digits,
 * visibly worse, and one draw costs less than a microsecond here.
 */
function uniform(studyUid: string, backend: string): number {
  // NUL stands in neither, so no two pairs give the same text.
  const digest = hash('sha256', `${studyUid}\0${backend}`, 'hex');
  // 13 hex digits are 52 bits: with the half added, that is what a double holds exactly, so 1 is never reached by rounding.
  const bits = Number.parseInt(digest.slice(0, 13), 16);
  return (bits + 0.5) / 2 ** 52;
}
