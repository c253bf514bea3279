import type { Oracle } from '../../../src/simulate/run.ts';

/** Rows that know more than anybody can; for scenarios only. The types alone come from the simulator: its code has no place in the bundle. */
export const oracles: readonly string[] = ['oracle', 'perfect-learner'] satisfies Oracle[];
