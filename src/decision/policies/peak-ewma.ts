import { expectedSeconds } from '../../backends/model/service.ts';
import type { Policy } from '../policy.ts';
import { best } from '../ranking.ts';

/** Whatever the study's size, all are compared by the time of this much: the policy knows nothing of sizes. */
const usual = { instances: 50, bytes: 40e6 };

/**
 * What the backend has lately taken for a transfer of usual size, times the studies in flight there with this one, for its weight: the
 * "peak EWMA" of Finagle and Envoy, whose average believes bad news sooner than good, as the short-term efficiency does here.
 * It knows one speed, and counts studies instead of measuring them.
 */
export const peakEwma: Policy = {
  name: 'peak-ewma',
  choose(_study, candidates, now) {
    const ranked = candidates.map(({ backend, weight, studiesInFlight, lastPlacement, service }) => {
      const seconds = expectedSeconds(service, usual, now);
      return {
        score: {
          backend,
          score: (seconds * (studiesInFlight + 1)) / weight,
          inputs: { seconds, studiesInFlight, weight },
        },
        tieBreaks: [lastPlacement],
      };
    });
    const { score } = best(ranked);
    return {
      kind: 'place',
      backend: score.backend,
      reason: 'shortest time of late for its studies in flight',
      scores: ranked.map((each) => each.score),
    };
  },
};
