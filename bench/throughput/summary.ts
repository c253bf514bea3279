import { quantile } from '../support/figures.ts';
import type { Run } from './cell.ts';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), min: Math.min(...values), max: Math.max(...values) };
}

/** Of each figure the median over the runs, with the least and the most. */
export interface Summary {
  readonly instancesPerSecond: Spread;
  readonly megabytesPerSecond: Spread;
  readonly senderSeconds: Spread;
  readonly cpuMs: {
    readonly front: Spread;
    readonly service: Spread;
    readonly backends: Spread;
    readonly all: Spread;
  };
  readonly memory: { readonly front: number; readonly service: number; readonly backends: number };
  readonly provenMs: { readonly p50: Spread; readonly p99: Spread } | null;
}

/** @throws RangeError when there are no runs */
export function summaryOf(runs: readonly Run[]): Summary {
  if (runs.length === 0) throw new RangeError('no runs to sum up');
  const over = (figure: (run: Run) => number): Spread => spreadOf(runs.map(figure));
  const most = (figure: (run: Run) => number): number => Math.max(...runs.map(figure));
  const proven = runs.flatMap(({ provenMs }) => (provenMs === null ? [] : [provenMs]));
  return {
    instancesPerSecond: over((run) => run.instancesPerSecond),
    megabytesPerSecond: over((run) => run.megabytesPerSecond),
    senderSeconds: over((run) => run.senderSeconds),
    cpuMs: {
      front: over((run) => run.cpuMs.front),
      service: over((run) => run.cpuMs.service),
      backends: over((run) => run.cpuMs.backends),
      all: over((run) => run.cpuMs.all),
    },
    memory: {
      front: most((run) => run.memory.front),
      service: most((run) => run.memory.service),
      backends: most((run) => run.memory.backends),
    },
    provenMs:
      proven.length === 0
        ? null
        : { p50: spreadOf(proven.map(({ p50 }) => p50)), p99: spreadOf(proven.map(({ p99 }) => p99)) },
  };
}
