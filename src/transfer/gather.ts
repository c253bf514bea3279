import type { EpochMs } from '../study.ts';

/** The last transfer to a backend that left nothing waiting. */
export interface Emptied {
  readonly at: EpochMs;
  readonly instances: number;
  /** Since the one before it, milliseconds; null: nothing is known of one. */
  readonly afterMs: number | null;
}

/** As many together, and a transfer's own cost is no longer most of what an image costs. */
const worthATransfer = 8;
/** So many times the usual time at most. */
const longest = 2.5;

/**
 * How long after it began the next transfer begins, milliseconds: `usualMs` where images come fast or one at a time, and longer where they
 * come steadily and so slowly that few would go together.
 *
 * What comes by itself must not wait for others that do not come: only where the last transfer carried several, or is still under way, are
 * there more to be expected.
 */
export function gatherFor(
  { instances, afterMs }: Pick<Emptied, 'instances' | 'afterMs'>,
  usualMs: number,
  isUnderWay: boolean,
): number {
  if (instances < 2 && !isUnderWay) return usualMs;
  // After a pause its length says nothing about how fast they come now.
  if (afterMs === null || afterMs > 2 * longest * usualMs) return usualMs;
  const enough = (afterMs / instances) * worthATransfer;
  return Math.min(usualMs * longest, Math.max(usualMs, enough));
}
