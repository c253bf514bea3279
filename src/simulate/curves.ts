/** How long so great a share of the studies took at most. */
export interface Curve {
  readonly policy: string;
  /** `seconds` is infinite where studies were not available in the end. */
  readonly quantiles: readonly { readonly q: number; readonly seconds: number }[];
}

/** A point for each hundredth; the ends are the fastest study and the slowest. */
const points = 100;

/** @param times of each study, in any order; none: no curve to draw */
export function curveOf(policy: string, times: readonly number[]): Curve {
  const sorted = times.toSorted((a, b) => a - b);
  if (sorted.length === 0) return { policy, quantiles: [] };
  return {
    policy,
    quantiles: Array.from({ length: points + 1 }, (_, index) => ({
      q: index / points,
      seconds: sorted[Math.max(0, Math.ceil((index / points) * sorted.length) - 1)] ?? 0,
    })),
  };
}
