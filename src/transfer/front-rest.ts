import type { EpochMs } from '../study.ts';

/** Rest of a front after failures in a row: 1 s, doubled each time, at most this. */
const longestRestMs = 10_000;

export interface FrontRest {
  /** Fronts from which nothing is to be taken now. */
  resting(now: EpochMs): ReadonlySet<string>;
  /** A transfer from this front has begun. */
  began(front: string): void;
  /** That transfer has ended, however it did. */
  ended(front: string): void;
  /** The front did not answer. */
  failed(front: string, now: EpochMs): void;
  answered(front: string): void;
}

interface Member {
  underWay: number;
  failures: number;
  until: EpochMs;
}

/**
 * Keeps a front that does not answer from taking the lanes of the others: what waits on it is often the oldest, and would
 * be taken first, again and again. It rests after a failure; then one transfer at a time tries it, over all backends, until one
 * gets an answer. In memory only: after a restart every front is tried at once.
 */
export function createFrontRest(): FrontRest {
  const members = new Map<string, Member>();
  const member = (front: string): Member => {
    const known = members.get(front);
    if (known !== undefined) return known;
    const added: Member = { underWay: 0, failures: 0, until: 0 };
    members.set(front, added);
    return added;
  };
  return {
    resting: (now) =>
      new Set(
        [...members]
          .filter(([, one]) => one.failures > 0 && (now < one.until || one.underWay > 0))
          .map(([front]) => front),
      ),
    began(front) {
      member(front).underWay++;
    },
    ended(front) {
      member(front).underWay--;
    },
    failed(front, now) {
      const one = member(front);
      // Several transfers fail together when their front does: that is one failure.
      if (one.failures > 0 && now < one.until) return;
      one.failures++;
      one.until = now + Math.min(longestRestMs, 1000 * 2 ** Math.min(one.failures - 1, 10));
    },
    answered(front) {
      member(front).failures = 0;
    },
  };
}
