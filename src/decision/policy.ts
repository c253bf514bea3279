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
  /** Why its transfers say it should have nothing new now (breaker open, probing); null: nothing against it. Soft evidence. */
  readonly breakerReason: string | null;
}

export interface Score {
  readonly backend: string;
  /** Lower is better. */
  readonly score: number;
  readonly inputs: Readonly<Record<string, number | string | null>>;
}

export type Choice =
  | {
      readonly kind: 'place';
      readonly backend: string;
      readonly reason: string;
      readonly scores: readonly Score[];
    }
  | { readonly kind: 'wait'; readonly reason: string; readonly scores: readonly Score[] };

/**
 * A policy is one method over candidates that were filtered once before: all of them may be chosen, and there is at least
 * one. No I/O, no clock, no randomness of its own; the same input gives the same choice.
 */
export interface Policy {
  readonly name: string;
  choose(study: StudyToPlace, candidates: readonly Candidate[], now: EpochMs): Choice;
}
