import type { Policy } from '../policy.ts';
import { best } from '../ranking.ts';
import { uniform } from '../uniform.ts';

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
