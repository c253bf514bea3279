import type { Policy } from '../policy.ts';
import { best } from '../ranking.ts';

/**
 * The backend with the fewest unproven studies for its weight, this one included.
 *
 * Including the study that is being placed is what makes weights count on an idle farm: with 0 in flight everywhere,
 * 0 ÷ weight would be 0 for all. It also makes the choice the D'Hondt method, so that with nothing finishing each backend
 * has at least the whole part of its weighted share.
 *
 * What is in flight are the ledger's own unproven deliveries, never a figure read from a backend: that would be as old as
 * the last poll, and everything placed in between would herd to the one that looked idle.
 */
export const leastInFlight: Policy = {
  name: 'least-in-flight',
  choose(_study, candidates) {
    const ranked = candidates.map((candidate) => {
      const { backend, weight, studiesInFlight, instancesInFlight, lastPlacement } = candidate;
      return {
        score: {
          backend,
          score: (studiesInFlight + 1) / weight,
          inputs: { studiesInFlight, instancesInFlight, weight, lastPlacement },
        },
        // A study of 3000 images weighs more than one of 2. Then the least recently placed, where never (0) comes first:
        // otherwise a farm that is idle between studies would send every one of them to the first backend.
        tieBreaks: [instancesInFlight / weight, lastPlacement],
      };
    });
    const { score, decidedBy } = best(ranked);
    return {
      kind: 'place',
      backend: score.backend,
      reason: `fewest studies in flight for its weight${tieText[decidedBy] ?? ''}`,
      scores: ranked.map((each) => each.score),
    };
  },
};

const tieText: Readonly<Record<number, string>> = {
  0: ', then fewest instances in flight',
  1: ', then least recently placed',
  2: ', then first in the topology',
};
