import type { ServiceModel } from '../backends/model/service.ts';
import type { EpochMs, Health, OperatorState, StudyToPlace } from '../study.ts';

/** A backend as policies see it: figures copied once, before anything is compared. */
export interface Candidate {
  readonly backend: string;
  readonly weight: number;
  readonly lanes: number;
  /** Transfers under way now. */
  readonly busyLanes: number;
  /** Studies bound to it with something unproven, and their unproven instances and bytes: own dispatches, exact and current. */
  readonly studiesInFlight: number;
  readonly instancesInFlight: number;
  readonly bytesInFlight: number;
  /** Number of its last placement, growing over all backends; 0 = never. */
  readonly lastPlacement: number;
  readonly operator: OperatorState;
  readonly health: Health;
  /** Why health is what it is, for the person who reads the decision. */
  readonly healthReason: string | null;
  /** What was learnt of how fast it takes images. */
  readonly service: ServiceModel;
  /**
   * What its bound studies are still expected to bring: they are arriving, and hold no lane now. `perSecond` is the pace at which it
   * will come.
   */
  readonly reserved: {
    readonly instances: number;
    readonly bytes: number;
    readonly instancesPerSecond: number;
    readonly bytesPerSecond: number;
  };
  /** Since when nothing has moved in its open transfers, and what the oldest of them carries; null: nothing is under way, or it moves. */
  readonly quiet: {
    readonly since: EpochMs;
    readonly instances: number;
    readonly bytes: number;
  } | null;
  /** Free bytes on its disk, where known, less what is bound to it; null: not known. `diskBytes`: the disk's size, where known. */
  readonly freeBytes: number | null;
  readonly diskBytes: number | null;
  /** Why its transfers say it should have nothing new now (breaker open, probing); null: nothing against it. Soft evidence. */
  readonly breakerReason: string | null;
}

/** Candidates that a decision names at most. It is kept for each study, and nobody reads a thousand. */
export const mostConsidered = 24;

export interface Score {
  readonly backend: string;
  /** Lower is better. */
  readonly score: number;
  readonly inputs: Readonly<Record<string, number | string | null>>;
  /** Why it was not chosen, in the policy's words; without it the scores are compared. Null: it was. */
  readonly passedOver?: string | null;
}

export type Choice =
  | {
      readonly kind: 'place';
      readonly backend: string;
      readonly reason: string;
      readonly scores: readonly Score[];
    }
  /** `backend`: the one it waits for. `holdsPlace`: it has a virtual place there, so that those behind it see that one as taken. */
  | {
      readonly kind: 'wait';
      readonly backend: string;
      readonly holdsPlace: boolean;
      readonly reason: string;
      readonly scores: readonly Score[];
    };

/**
 * A policy is one method over candidates that were filtered once before: all of them may be chosen, and there is at least
 * one. No I/O, no clock, no randomness of its own; the same input gives the same choice.
 */
export interface Policy {
  readonly name: string;
  /**
   * In which order waiting studies are placed; without it, the oldest first. Given the studies oldest first; returns the same
   * ones.
   */
  order?(
    studies: readonly StudyToPlace[],
    candidates: readonly Candidate[],
    now: EpochMs,
  ): readonly StudyToPlace[];
  choose(study: StudyToPlace, candidates: readonly Candidate[], now: EpochMs): Choice;
  /** Of a policy that lets studies wait for a free lane; without it nobody can tell what it would do but by asking it. */
  readonly lateBinding?: LateBinding;
}

/**
 * What such a policy promises: where no candidate has a free lane every study waits, whatever it is, and what is placed on a backend, or
 * waits for it, never makes a lane free there.
 */
export interface LateBinding {
  isFree(candidate: Candidate): boolean;
  /** Why a study waits where no lane is free. */
  readonly noneFree: string;
}
