import type { Candidate } from '../decision/policy.ts';
import type { EpochMs, FailureCode, Health, OperatorState } from '../study.ts';
import type { ServiceSample } from './model/service.ts';
import type { Carried } from './under-way.ts';

/** May a transfer to this backend be started now? If not, why, and when it is worth asking again (null: on a change). */
export type Sendable =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly until: EpochMs | null };

/** A backend as the API and the dashboard show it. */
export interface BackendStatus {
  readonly name: string;
  readonly url: string;
  readonly publicUrl: string;
  readonly operator: OperatorState;
  readonly weight: number;
  readonly lanes: number;
  readonly busyLanes: number;
  readonly health: Health;
  readonly healthReason: string | null;
  readonly healthSince: EpochMs;
  readonly version: string | null;
  readonly latencyMs: number | null;
  readonly studiesInFlight: number;
  readonly instancesInFlight: number;
  readonly bytesInFlight: number;
  readonly retryAt: EpochMs | null;
  readonly lastFailure: string | null;
  /** Since when it has not been serving; null while it does. See `BackendPool.outSince`. */
  readonly outSince: EpochMs | null;
  /** Transfers decide, where polls cannot see it: `open` after two failures in a row or a stall, `half-open` while one transfer tries it. */
  readonly breaker: 'closed' | 'open' | 'half-open';
  readonly instances: number | null;
  readonly diskBytes: number | null;
  /** What its images may fill; null or absent: nobody said. */
  readonly diskLimitBytes?: number | null;
}

/**
 * The backends as they are now: operator state and weight (durable), health from polling, lanes in use, back-off after failures.
 * The rooms above ask it; it asks nobody but the ledger.
 */
export interface BackendPool {
  names(): readonly string[];
  status(name: string): BackendStatus | null;
  statuses(): readonly BackendStatus[];
  /** From memory, for those who ask often. Null: the name is not in the topology. */
  health(name: string): Health | null;
  /** How a browser reaches it, from memory; null: the name is not in the topology. */
  publicUrl(name: string): string | null;
  /** Fresh copies for a policy; one ledger query for all. */
  candidates(): readonly Candidate[];
  sendable(name: string, now: EpochMs): Sendable;
  /**
   * Since when this backend has not been serving, and why: down by its polls, taken out by an operator (`maint`), or its breaker
   * open since the first of the failures that opened it; also for a name that left the topology (since the start). Null: it serves.
   */
  outSince(name: string): { readonly since: EpochMs; readonly reason: string } | null;
  /** From memory; `closed` for a name that is not in the topology. */
  breaker(name: string): BackendStatus['breaker'];
  /** One at most while the breaker is not closed, and for a while after that. */
  freeLanes(name: string): number;
  /** Of its lanes, those that what was tried before may hold at the same time: so what is new never waits behind what fails. */
  lanesForRetries(name: string): number;
  setOperator(
    name: string,
    change: { state?: OperatorState; weight?: number | null },
    now: EpochMs,
  ): BackendStatus;
  /** A poll or any other exchange told something of its health. */
  observed(
    name: string,
    observation: {
      at: EpochMs;
      up: boolean;
      reason: string | null;
      latencyMs: number | null;
      instances?: number | null;
      diskBytes?: number | null;
      version?: string | null;
    },
  ): void;
  /** Without `carried` nobody can say later whether it moves. */
  laneTaken(name: string, carried?: Carried): void;
  /** So much of it has arrived, 0 to 1, by its front's word; said when it has become more. */
  transferMoved(name: string, transfer: number, share: number, now: EpochMs): void;
  laneFreed(name: string, transfer?: number): void;
  /**
   * A lane is free, and nothing that is bound to the backend can be sent now: it comes from a front that does not answer, or has failed
   * and waits for its time. Until a lane is taken again that does not count as being in flight: new studies would wait for it.
   */
  nothingToSend(name: string): void;
  /** A transfer ended well: back-off is over. `sample`: what it teaches of the backend's speed, if it was nothing but sending and proof. */
  transferSucceeded(name: string, now: EpochMs, sample?: ServiceSample): void;
  /** A transfer failed: full-jitter back-off, 1 s to 60 s; returns when the next may start. */
  transferFailed(name: string, code: FailureCode, detail: string, now: EpochMs): EpochMs;
  /** Called after anything that may let a study be placed or a transfer start. Returns the way to stop listening. */
  onChange(listener: (name: string) => void): () => void;
}
