import type { Clock } from './study.ts';

/** Smaller differences are the two clocks' own, and rounding. */
const stepMs = 1000;

/**
 * The wall clock without its steps back. Times that are kept are compared with it: when an image may be tried again, when a study had
 * its last news. Somebody who sets the machine's clock back by an hour would otherwise make everything wait for an hour.
 *
 * A step forward is taken over at once: what waits is merely due early. After a step back the time goes on from where it was, by the
 * monotonic clock, until the wall clock has caught up or the service is started anew. `onStepBack` is told of each such step, in
 * milliseconds.
 */
export function steadyClock(
  onStepBack: (byMs: number) => void,
  wall: Clock = Date.now,
  monotonic: () => number = () => performance.now(),
): Clock {
  let anchorWall = wall();
  let anchorMonotonic = monotonic();
  let behindMs = 0;
  return () => {
    const elapsed = monotonic() - anchorMonotonic;
    const steady = anchorWall + elapsed;
    const shown = wall();
    const behind = steady - shown;
    if (behind > behindMs + stepMs) onStepBack(Math.round(behind - behindMs));
    behindMs = Math.max(0, behind);
    if (behind < -stepMs) {
      anchorWall = shown;
      anchorMonotonic += elapsed;
      return shown;
    }
    return Math.round(steady);
  };
}
