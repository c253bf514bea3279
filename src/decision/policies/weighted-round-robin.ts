import type { Policy } from '../policy.ts';

/** The fraction of the golden ratio: multiples of it fill [0, 1) more evenly than those of any other number. */
const golden = (Math.sqrt(5) - 1) / 2;

/**
 * Turns in proportion to the weights. The turn's number times the golden ratio, without its whole part, is a point in [0, 1),
 * where each backend has a stretch as long as its share of the weights: the points of any run of turns are spread evenly, so the
 * shares hold over short runs too, and the turns of a heavy backend do not come in a bunch.
 *
 * The smooth weighted round-robin of web proxies was rejected: it needs a counter for each backend, which would have to be kept
 * over a restart. Here the number of the last placement, which the ledger has, is all there is to remember.
 */
export const weightedRoundRobin: Policy = {
  name: 'weighted-round-robin',
  choose(_study, candidates) {
    const turn = candidates.reduce((last, { lastPlacement }) => Math.max(last, lastPlacement), 0) + 1;
    const largest = candidates.reduce((most, { weight }) => Math.max(most, weight), 0);
    // Relative to the largest, so that no sum of weights is ever infinite.
    const total = candidates.reduce((sum, { weight }) => sum + weight / largest, 0);
    const point = ((turn * golden) % 1) * total;
    let end = 0;
    let chosen: string | null = null;
    const scores = candidates.map(({ backend, weight, lastPlacement }) => {
      end += weight / largest;
      if (chosen === null && point < end) chosen = backend;
      return { backend, score: lastPlacement / weight, inputs: { weight, lastPlacement } };
    });
    // The last stretch may end a rounding error before the last point.
    const backend = chosen ?? candidates.at(-1)?.backend;
    if (backend === undefined) throw new RangeError('a policy was asked to choose among no backends');
    return { kind: 'place', backend, reason: 'its turn, by its share of the weights', scores };
  },
};
