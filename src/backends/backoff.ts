import type { EpochMs, FailureCode } from '../study.ts';

/** Failed transfers in a row, and when the next one may start. */
export interface BackOff {
  readonly failures: number;
  readonly until: EpochMs;
  /** The last failure, for a person. */
  readonly text: string;
}

const firstMs = 1_000;
const longestMs = 60_000;
/** For failures of the front: enough not to spin, too little to hold up the other fronts' images for this backend. */
const longestForFrontMs = 2_000;

/**
 * Full jitter after Marc Brooker, "Exponential Backoff And Jitter" (2015): anything from nothing to 1 s, 2 s, 4 s, … 60 s, so
 * that what failed together does not come back together.
 *
 * Several lanes fail together when their backend does. What fails while the back-off of the first of them still runs is the
 * same trouble, and makes it neither longer nor later.
 */
export function afterFailure(
  before: BackOff | null,
  failure: { readonly code: FailureCode; readonly detail: string; readonly now: EpochMs },
  random: () => number,
): BackOff {
  const text = failure.detail === '' ? failure.code : `${failure.code}: ${failure.detail}`;
  if (before !== null && failure.now < before.until) return { ...before, text };
  const failures = (before?.failures ?? 0) + 1;
  const longest = failure.code.startsWith('front-') ? longestForFrontMs : longestMs;
  const ceiling = Math.min(longest, firstMs * 2 ** Math.min(failures - 1, 20));
  return { failures, until: failure.now + Math.round(random() * ceiling), text };
}
