import type { SeriesQuery } from '../../ledger/series.ts';
import type { EpochMs } from '../../study.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

export const leastSpanMs = 15 * minute;
export const mostSpanMs = 366 * day;
export const mostPoints = 2000;
export const usualPoints = 400;

/** Lengths that a person can read on an axis. */
const steps = [
  ...[1, 2, 5, 10, 15, 20, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 20, 30].map((count) => count * minute),
  ...[1, 2, 3, 4, 6, 8, 12].map((count) => count * hour),
  ...[1, 2, 7].map((count) => count * day),
];

/** Beyond these spans a chart shows no more of the finer figures than the coarser ones have, and reading them takes long. */
const longest = { raw: 2 * hour, minute: 8 * day };

/**
 * As fine as that many points allow and the ledger still has: samples are thinned after `keepRawMs`, minutes after `keepMinutesMs`.
 * Intervals begin at multiples of their length, so that the same time has the same interval in every chart.
 */
export function gridOf(
  { from, to, points, now }: { from: EpochMs; to: EpochMs; points: number; now: EpochMs },
  kept: { readonly sampleMs: number; readonly keepRawMs: number; readonly keepMinutesMs: number },
): SeriesQuery {
  const span = to - from;
  const wanted = span / points;
  const hasRaw = span <= longest.raw && from >= now - kept.keepRawMs;
  const hasMinutes = span <= longest.minute && from >= now - kept.keepMinutesMs;
  // Samples come a little late now and then: in two of their intervals there is always one.
  const least = Math.max(2 * kept.sampleMs, hasRaw ? 0 : hasMinutes ? minute : hour);
  const stepMs = steps.find((step) => step >= wanted && step >= least) ?? 7 * day;
  const resolution = stepMs >= hour ? 'hour' : stepMs >= minute ? 'minute' : 'raw';
  return { from: Math.floor(from / stepMs) * stepMs, to, stepMs, resolution };
}
