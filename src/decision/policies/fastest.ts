import { expectedSeconds } from '../../backends/model/service.ts';
import type { Policy } from '../policy.ts';
import { best } from '../ranking.ts';

/**
 * The backend that would take this study in the shortest time if it had nothing else to do. For diagnosis only: it looks at no load,
 * so everything goes to one backend.
 */
export const fastest: Policy = {
  name: 'fastest',
  choose(study, candidates, now) {
    const ranked = candidates.map(({ backend, weight, service, lastPlacement }) => {
      const seconds = expectedSeconds(service, study.expected, now);
      return {
        score: { backend, score: seconds / weight, inputs: { seconds, weight } },
        tieBreaks: [lastPlacement],
      };
    });
    const { score } = best(ranked);
    return {
      kind: 'place',
      backend: score.backend,
      reason: 'fastest for a study of this size, whatever else it has to do',
      scores: ranked.map((each) => each.score),
    };
  },
};
