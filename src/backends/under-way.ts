import type { Candidate } from '../decision/policy.ts';
import type { EpochMs } from '../study.ts';

/** A transfer that has a lane. */
export interface Carried {
  readonly transfer: number;
  readonly instances: number;
  readonly bytes: number;
  readonly startedAt: EpochMs;
}

export interface Load {
  readonly instances: number;
  readonly bytes: number;
}

/** What is on its way to one backend, and when something of it was last seen to move. */
export interface UnderWay {
  began(carried: Carried): void;
  /** So much of it has arrived, 0 to 1, as its front says; said only when it has become more. */
  moved(transfer: number, share: number, now: EpochMs): void;
  /** A transfer ended well: also what else is open may be moving. */
  arrived(now: EpochMs): void;
  ended(transfer: number): void;
  /** What all of them carry together. */
  load(): Load;
  /** As in `Candidate.quiet`; also while it moves, with `since` then a moment ago. Null: nothing is under way. */
  quiet(): Candidate['quiet'];
}

export function createUnderWay(): UnderWay {
  /** In the order of their start. */
  const open = new Map<number, { readonly carried: Carried; share: number }>();
  let movedAt: EpochMs = 0;

  return {
    began(carried) {
      open.set(carried.transfer, { carried, share: 0 });
    },
    moved(transfer, share, now) {
      const one = open.get(transfer);
      if (one === undefined) return;
      one.share = Math.min(1, Math.max(one.share, share));
      movedAt = Math.max(movedAt, now);
    },
    arrived(now) {
      movedAt = Math.max(movedAt, now);
    },
    ended(transfer) {
      open.delete(transfer);
    },
    load() {
      let [instances, bytes] = [0, 0];
      for (const { carried } of open.values()) {
        instances += carried.instances;
        bytes += carried.bytes;
      }
      return { instances, bytes };
    },
    quiet() {
      const [oldest] = open.values();
      if (oldest === undefined) return null;
      const { carried, share } = oldest;
      // What it still has to bring since it was last seen to move.
      const left = Math.max(1 / carried.instances, 1 - share);
      return {
        since: Math.max(carried.startedAt, movedAt),
        instances: Math.ceil(carried.instances * left),
        bytes: Math.ceil(carried.bytes * left),
      };
    },
  };
}
