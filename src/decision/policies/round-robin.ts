import type { Policy } from '../policy.ts';
import { best } from '../ranking.ts';

/**
 * The backend whose last placement is longest ago; those that never had one first, in the order of the topology.
 *
 * It keeps no position of its own: the ledger's numbers of the last placements are the position. So a restart does not begin
 * the round anew, and a backend that was away takes its turn once instead of catching up on all it missed. Weights are
 * not looked at.
 */
export const roundRobin: Policy = {
  name: 'round-robin',
  choose(_study, candidates) {
    const ranked = candidates.map(({ backend, lastPlacement }) => ({
      score: { backend, score: lastPlacement, inputs: { lastPlacement } },
      tieBreaks: [],
    }));
    const { score } = best(ranked);
    return {
      kind: 'place',
      backend: score.backend,
      reason: score.score === 0 ? 'its turn: never placed on before' : 'its turn: least recently placed',
      scores: ranked.map((each) => each.score),
    };
  },
};
