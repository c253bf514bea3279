import type { Bound } from './bound.ts';
import type { SimulationResult } from './simulate.ts';

/** How one policy did in one scenario. Times in seconds; a time is Infinity where a study was lost. */
export interface Figures {
  /** Time to available: from a study's last image on the front to the proof that all of it is on its backend. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** From the first image to the last proof, against the least possible. */
  readonly makespanRatio: number;
  /** The busiest backend's time at work against the average one's. */
  readonly imbalance: number;
  /** Studies of which a backend they had left still has a part that nobody can delete. */
  readonly splits: number;
  /** Studies that were not available in the end. */
  readonly lost: number;
  /** Transfers that failed. */
  readonly retries: number;
}

/** The time to available of each study; Infinity where it was lost. `warmUp`: studies that begin before are left out, in seconds. */
export function timesOf({ studies }: SimulationResult, warmUp: number): readonly number[] {
  return studies
    .filter(({ firstAt }) => firstAt >= warmUp)
    .map(({ availableAt, lastAt }) =>
      availableAt === null ? Number.POSITIVE_INFINITY : availableAt - lastAt,
    );
}

/** The same of what cannot be bettered. `firstAts`: when each study's first image comes. */
export function timesOfBound(
  { waits }: Bound,
  firstAts: readonly number[],
  warmUp: number,
): readonly number[] {
  return waits.filter((_, index) => (firstAts[index] ?? 0) >= warmUp);
}

/** `warmUp`: studies that begin before are not looked at, in seconds. */
export function figuresOf(result: SimulationResult, bound: Bound, warmUp: number): Figures {
  const { studies, backends, retries } = result;
  const times = timesOf(result, warmUp).toSorted((a, b) => a - b);
  const first = studies.reduce((least, { firstAt }) => Math.min(least, firstAt), Number.POSITIVE_INFINITY);
  const end = studies.reduce(
    (most, { availableAt }) => Math.max(most, availableAt ?? Number.POSITIVE_INFINITY),
    0,
  );
  const busy = backends.map(({ busySeconds }) => busySeconds);
  const mean = busy.reduce((sum, one) => sum + one, 0) / busy.length;
  return {
    ...quantilesOf(times),
    makespanRatio: studies.length === 0 ? 1 : (end - first) / (bound.endsAt - first),
    imbalance: mean > 0 ? Math.max(...busy) / mean : 1,
    splits: studies.filter(({ isSplit }) => isSplit).length,
    lost: studies.filter(({ availableAt }) => availableAt === null).length,
    retries,
  };
}

/** The same of what cannot be bettered. `firstAts`: when each study's first image comes. */
export function figuresOfBound(bound: Bound, firstAts: readonly number[], warmUp: number): Figures {
  const times = timesOfBound(bound, firstAts, warmUp).toSorted((a, b) => a - b);
  return { ...quantilesOf(times), makespanRatio: 1, imbalance: 1, splits: 0, lost: 0, retries: 0 };
}

function quantilesOf(sorted: readonly number[]): Pick<Figures, 'p50' | 'p95' | 'p99' | 'max'> {
  return {
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

/** The nearest rank: a time that a study really took. 0 when there is none. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}

/** The average of each figure over the seeds. */
export function meanFigures(all: readonly Figures[]): Figures {
  const mean = (of: (one: Figures) => number): number =>
    all.reduce((sum, one) => sum + of(one), 0) / all.length;
  return {
    p50: mean((one) => one.p50),
    p95: mean((one) => one.p95),
    p99: mean((one) => one.p99),
    max: mean((one) => one.max),
    makespanRatio: mean((one) => one.makespanRatio),
    imbalance: mean((one) => one.imbalance),
    splits: mean((one) => one.splits),
    lost: mean((one) => one.lost),
    retries: mean((one) => one.retries),
  };
}
