import type {
  Arrival,
  Assignment,
  ConsideredBackend,
  Decision,
  DecisionKind,
  Delivery,
  DeliveryOutcome,
  EpochMs,
  InstanceState,
  OperatorState,
  QuarantineCode,
  StudyState,
  StudyToPlace,
  Transfer,
} from '../study.ts';

/**
 * The ledger: the only place with SQL. Every call is synchronous and one transaction; nothing awaits inside one.
 * The state of a row is the truth and moves on in one statement, so whatever dies, the rows say where to go on.
 *
 * Commits do not wait for the disk: after `kill -9` they are all there, after a power cut the last ones may not be.
 * Where that matters (before the first byte is sent, before anything is deleted) the caller awaits `durable()`.
 *
 * Errors: `LedgerError` with code `full` (no space), `busy`, `damaged` or `failed`.
 */
export interface Ledger
  extends IntakeLedger,
    DecisionLedger,
    TransferLedger,
    BackendLedger,
    HistoryLedger,
    ViewLedger {
  /** Resolves when everything committed so far has reached the disk. Calls that overlap share one fsync. */
  durable(): Promise<void>;
  close(): Promise<void>;
}

export type LedgerErrorCode = 'full' | 'busy' | 'damaged' | 'newer' | 'failed';

export class LedgerError extends Error {
  readonly code: LedgerErrorCode;
  constructor(code: LedgerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LedgerError';
    this.code = code;
  }
}

export interface ReceivedAnswer {
  /** `new`: first seen. `again`: known, and proven anew since its content may have changed. */
  readonly instance: 'new' | 'again';
  /** Current assignments of the study, by copy; empty when it has not been placed. */
  readonly assignments: readonly Assignment[];
  /** Why an unplaced study waits, when that has been said already. */
  readonly waitingReason: string | null;
}

export interface IntakeLedger {
  /**
   * Notes that an instance stands on a front, and what follows from it: the study's last news, a delivery for each
   * assignment. A known instance goes back to `held` and gets new deliveries that ask first, since its content may
   * be another than the one proven; quarantined ones stay quarantined. Idempotent.
   */
  received(arrival: Arrival, now: EpochMs): ReceivedAnswer;
  /** The same for many, in one transaction. */
  receivedMany(arrivals: readonly Arrival[], now: EpochMs): void;
  /** What the ledger thinks stands on the front: orthancId → state, for `held`, `removing` and `quarantined`. */
  standing(front: string): Map<string, InstanceState>;
  /**
   * These are not on the front although the ledger thought so. Those with a receipt for every current copy become
   * `removed`, the others `vanished` with an event on their study. Outstanding deliveries end. Only rows still `held`,
   * `removing` or `quarantined` are touched, and none whose delivery is in an open transfer.
   */
  absent(
    front: string,
    orthancIds: readonly string[],
    now: EpochMs,
  ): { removed: number; vanished: number; studies: readonly string[] };
  /**
   * For the start of the service: closes open transfers as `interrupted` (their deliveries ask first), and has
   * everything that stands on a front proven anew, because the hook may have been missed. `removing` → `held`.
   */
  recover(now: EpochMs): { interruptedTransfers: number; provenAnew: number };
}

export interface NewDecision {
  readonly studyUid: string;
  readonly copy: number;
  readonly at: EpochMs;
  readonly policy: string;
  readonly kind: DecisionKind;
  readonly backend: string | null;
  readonly reason: string;
  readonly considered: readonly ConsideredBackend[];
}

export interface DecisionLedger {
  /** Studies with something held and no assignment for some copy, oldest first. */
  unplaced(limit: number): readonly StudyToPlace[];
  assignments(studyUid: string): readonly Assignment[];
  /**
   * Keeps the decision; if it names a backend also the assignment (epoch 1, or the last one + 1) and a delivery for each
   * held instance, in one transaction. If the copy has an assignment already that one is returned and nothing changes.
   * A `waiting` decision with the same reason as the study's last one is not kept twice (returns null).
   */
  decide(decision: NewDecision): Assignment | null;
}

export interface ClaimLimits {
  readonly instances: number;
  readonly bytes: number;
}

export interface TransferLedger {
  /**
   * Takes the oldest waiting deliveries for this backend whose time has come, all from one front, up to the limits
   * (at least one), and opens a transfer for them. A delivery tried before makes the chunk smaller
   * (instances ÷ 4^attempts, at least 1), so that one bad instance is found and holds nobody else. Nothing is taken from the
   * fronts in `except`. Null: nothing to do.
   */
  claim(backend: string, limits: ClaimLimits, now: EpochMs, except?: ReadonlySet<string>): Transfer | null;
  /** The earliest time a waiting delivery of this backend may be tried; null when there is none. */
  nextAttemptAt(backend: string): EpochMs | null;
  /**
   * Ends a transfer: receipts, retries (attempts + 1, ask first), quarantine, absences, all in one transaction. Idempotent:
   * a delivery that is no longer in the transfer is left alone. `bytesSent`: what was really moved.
   */
  conclude(
    transferId: number,
    end: {
      readonly at: EpochMs;
      /** `done`, or what kept it from ending well. */ readonly code: string;
      readonly detail: string;
      readonly bytesSent: number;
      readonly instancesSent: number;
    },
    outcomes: ReadonlyMap<number, DeliveryOutcome>,
  ): void;
  /** Studies without news since `before` and with nothing outstanding: the front may let go of them. Oldest first. */
  settled(before: EpochMs, limit: number): readonly string[];
  /**
   * Moves the study's held instances that have a receipt for each current copy to `removing` and returns them, by front;
   * [] when the study has outstanding deliveries or had news since `before`.
   */
  beginRemoval(
    studyUid: string,
    before: EpochMs,
    now: EpochMs,
  ): readonly { front: string; orthancIds: readonly string[] }[];
  /** The front answered. Only rows still `removing` are touched: one that arrived again in between is `held`. */
  removed(front: string, orthancIds: readonly string[], now: EpochMs): void;
  /** The front did not answer, or said no: back to `held`; the next sweep tries again. */
  removalFailed(front: string, orthancIds: readonly string[], now: EpochMs): void;
}

export interface BackendSetting {
  readonly backend: string;
  readonly state: OperatorState;
  /** Null: the topology's. */
  readonly weight: number | null;
}

export interface BackendLoad {
  readonly backend: string;
  /** Studies bound to it with something unproven. */
  readonly studies: number;
  /** Instances unproven, and their bytes. */
  readonly instances: number;
  readonly bytes: number;
  /** Oldest unproven delivery's arrival. */
  readonly oldestAt: EpochMs | null;
}

export interface BackendLedger {
  backendSettings(): readonly BackendSetting[];
  setBackend(setting: BackendSetting, now: EpochMs): void;
  /** What is outstanding per backend, exactly, from the queue. Backends without anything are not listed. */
  loads(): readonly BackendLoad[];
  /** Number of the last placement on each backend: grows with every assignment; 0 = never. For round-robin and ties. */
  lastPlacements(): ReadonlyMap<string, number>;
}

export interface LoadSample {
  readonly orthanc: string;
  readonly at: EpochMs;
  readonly up: boolean;
  /** Round trip of the poll; null when it did not answer. */
  readonly latencyMs: number | null;
  readonly jobsPending: number | null;
  readonly jobsRunning: number | null;
  readonly activeRequests: number | null;
  readonly instances: number | null;
  readonly diskBytes: number | null;
}

export type HistoryResolution = 'raw' | 'minute' | 'hour';

export interface HistoryPoint {
  readonly at: EpochMs;
  readonly orthanc: string;
  /** Share of samples that were up, 0–1. */
  readonly up: number;
  readonly latencyMs: number | null;
  readonly jobsPending: number | null;
  readonly jobsRunning: number | null;
  readonly activeRequests: number | null;
  readonly instances: number | null;
  readonly diskBytes: number | null;
  /** Transfers that ended in the interval of this point (backends only). */
  readonly transfers: number;
  readonly transferredInstances: number;
  readonly transferredBytes: number;
  readonly transferSeconds: number;
}

export interface HistoryLedger {
  addSamples(samples: readonly LoadSample[]): void;
  /** Fills the minutes (and from those the hours) that have ended before `now`. Idempotent, and makes up for missed runs. */
  rollUp(now: EpochMs): void;
  /** Deletes what is older than its keeping time; studies, decisions and instances are never thinned. */
  thin(now: EpochMs, keep: { rawMs: number; minutesMs: number; hoursMs: number }): void;
  history(query: {
    orthanc?: string;
    from: EpochMs;
    to: EpochMs;
    resolution: HistoryResolution;
    limit: number;
  }): readonly HistoryPoint[];
}

/** One study as the API shows it. */
export interface StudyView {
  readonly studyUid: string;
  readonly state: StudyState;
  /** Why it waits; null when nothing waits. */
  readonly waiting: string | null;
  readonly assignments: readonly Assignment[];
  readonly modality: string | null;
  readonly station: string | null;
  readonly remoteAet: string | null;
  readonly calledAet: string | null;
  readonly fronts: readonly string[];
  readonly firstSeenAt: EpochMs;
  readonly lastNewsAt: EpochMs;
  /** `received` counts every instance seen; `verified` those with a receipt for each current copy; `removed` those gone from the front. */
  readonly instances: {
    readonly received: number;
    readonly verified: number;
    readonly removed: number;
    readonly quarantined: number;
    readonly vanished: number;
  };
  readonly bytes: number;
}

export interface StudyEvent {
  readonly at: EpochMs;
  readonly kind: string;
  readonly text: string;
}

export interface QuarantinedInstance {
  readonly front: string;
  readonly orthancId: string;
  readonly studyUid: string;
  readonly sopUid: string;
  readonly code: QuarantineCode;
  readonly detail: string;
  readonly bytes: number;
  readonly since: EpochMs;
}

export interface StudyFilter {
  readonly backend?: string;
  readonly state?: StudyState;
  readonly modality?: string;
  readonly station?: string;
  readonly aet?: string;
  readonly since?: EpochMs;
  readonly until?: EpochMs;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; hand it back as `cursor` for what follows. Null: that was all. */
  readonly next: string | null;
}

/** Everything that waits, and why. */
export interface QueueView {
  readonly instances: number;
  readonly bytes: number;
  readonly oldestAt: EpochMs | null;
  readonly quarantined: number;
  readonly unplacedStudies: number;
  /** Proven, still on a front until their study settles. */
  readonly settling: number;
  readonly backends: readonly (BackendLoad & {
    readonly sending: number;
    readonly retrying: number;
    readonly nextAttemptAt: EpochMs | null;
    readonly lastFailure: string | null;
  })[];
}

export interface ViewLedger {
  study(studyUid: string): StudyView | null;
  /** Newest news first. */
  studies(filter: StudyFilter, page: { limit: number; cursor?: string }): Page<StudyView>;
  decisions(studyUid: string): readonly Decision[];
  events(studyUid: string): readonly StudyEvent[];
  addEvent(studyUid: string, event: StudyEvent): void;
  quarantined(page: { limit: number; cursor?: string }): Page<QuarantinedInstance>;
  queue(): QueueView;
  /** Receipts of a study, for those who want the proof itself. */
  receipts(studyUid: string): readonly {
    orthancId: string;
    sopUid: string;
    backend: string;
    copy: number;
    epoch: number;
    md5: string;
    at: EpochMs;
  }[];
  /** Totals since the ledger began, for counters: instances received, proven, removed; bytes; by backend where it fits. */
  totals(): {
    received: number;
    proven: number;
    removed: number;
    vanished: number;
    decisions: Readonly<Record<DecisionKind, number>>;
  };
}

/** One outstanding delivery, re-exported for those who only know the ledger. */
export type { Delivery };
