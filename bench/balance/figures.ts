import { quantile } from '../support/figures.ts';

/**
 * Seconds from the acknowledgement of a study's last image to the proof of its last one, over the studies measured; and from the first
 * image of all to the last proof of all.
 */
export interface Figures {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly makespan: number;
}

export const measures = ['p50', 'p95', 'p99', 'max', 'makespan'] as const;

export function figuresOf(waits: readonly number[], makespan: number): Figures {
  return {
    p50: quantile(waits, 0.5),
    p95: quantile(waits, 0.95),
    p99: quantile(waits, 0.99),
    max: quantile(waits, 1),
    makespan,
  };
}

/** Each of them by itself. NaN of nothing. */
export function medians(runs: readonly Figures[]): Figures {
  const of = (measure: (typeof measures)[number]): number => median(runs.map((run) => run[measure]));
  return { p50: of('p50'), p95: of('p95'), p99: of('p99'), max: of('max'), makespan: of('makespan') };
}

/**
 * How many times as long it took as with the other policy: the median over the repeats of the ratio of two runs that followed each
 * other. A machine that was busy for a while then changes both, and not what is said of one of them.
 */
export function ratioOf(
  runs: readonly Figures[],
  others: readonly Figures[],
  measure: (typeof measures)[number],
): number {
  return median(runs.map((run, repeat) => run[measure] / (others[repeat]?.[measure] ?? Number.NaN)));
}

/** Of an even number the mean of the two in the middle. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (upper + lower) / 2;
}
