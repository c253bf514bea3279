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
  wall: Clock = () => Date.now(),
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

/** Well before a job that is due every second is: node-cron walks over every run that it missed by a step forward. */
const watchMs = 200;

/** Calls back whenever the wall clock has been set, at once. Returns the way to end it; keeps no process alive. */
export function onClockStep(
  run: () => void,
  wall: Clock = () => Date.now(),
  monotonic: () => number = () => performance.now(),
): () => void {
  let apart = wall() - monotonic();
  const timer = setInterval(() => {
    const now = wall() - monotonic();
    const stepped = Math.abs(now - apart) > stepMs;
    // The two clocks' own drift is not to add up to a step.
    apart = now;
    if (stepped) run();
  }, watchMs);
  timer.unref();
  return () => clearInterval(timer);
}
