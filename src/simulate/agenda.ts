import type { Timers } from '../backends/timers.ts';
import { createHeap } from './heap.ts';

/**
 * The virtual clock: what happens when, in seconds from the beginning. There are two clocks. The second one, the front's, runs at
 * `pace` of the first: while the front's line is full all transfers are slowed alike, which then is a change of one number instead of one
 * for each transfer on the farm.
 */
export interface Agenda {
  readonly now: number;
  /** What the front's clock says: seconds at full pace. */
  readonly frontNow: number;
  /** Returns the way to call it off. What is in the past happens at once, after what runs now. */
  readonly at: (seconds: number, run: () => void) => () => void;
  /** By the front's clock. It cannot be called off: whoever runs has to see whether it is still wanted. */
  atFront(seconds: number, run: () => void): void;
  /** In (0, 1]. */
  setPace(pace: number): void;
  /** Until nothing is left to happen, `stop` was called, or the time given has come. */
  run(until: number): void;
  stop(): void;
  /** Timers by this clock, for the parts of the service that run here as they are. */
  readonly timers: Timers;
}

interface Plan {
  run: (() => void) | null;
}

export function createAgenda(): Agenda {
  const plans = createHeap<Plan>();
  const frontPlans = createHeap<() => void>();
  /** Side by side in an object, where a number is changed in place; each change of a variable of its own would make a new one. */
  const clocks = { now: 0, frontNow: 0, pace: 1 };
  let stopped = false;

  function at(seconds: number, run: () => void): () => void {
    const plan: Plan = { run };
    plans.push(Math.max(clocks.now, seconds), plan);
    return () => {
      plan.run = null;
    };
  }

  function advance(to: number): void {
    clocks.frontNow += clocks.pace * (to - clocks.now);
    clocks.now = to;
  }

  return {
    get now() {
      return clocks.now;
    },
    get frontNow() {
      return clocks.frontNow;
    },
    at,
    atFront(seconds, run) {
      frontPlans.push(seconds, run);
    },
    setPace(next) {
      clocks.pace = next;
    },
    run(until) {
      while (!stopped) {
        const next = plans.leastKey();
        const dueAtFront = frontPlans.leastKey();
        const nextOfFront = clocks.now + (dueAtFront - clocks.frontNow) / clocks.pace;
        if (Math.min(next, nextOfFront) > until) break;
        if (next <= nextOfFront) {
          if (next === Number.POSITIVE_INFINITY) break;
          advance(next);
          plans.pop()?.run?.();
        } else {
          advance(Math.max(clocks.now, nextOfFront));
          clocks.frontNow = Math.max(clocks.frontNow, dueAtFront);
          frontPlans.pop()?.();
        }
      }
    },
    stop() {
      stopped = true;
    },
    timers: {
      after: (ms, run) => at(clocks.now + ms / 1000, run),
      every(ms, run) {
        let end: () => void;
        const turn = (): void => {
          end = at(clocks.now + ms / 1000, turn);
          run();
        };
        end = at(clocks.now + ms / 1000, turn);
        return () => end();
      },
    },
  };
}
