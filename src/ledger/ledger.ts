import type {
  Arrival,
  Assignment,
  AuditEntry,
  BoundStudy,
  ConsideredBackend,
  Decision,
  DecisionKind,
  Delivery,
  DeliveryOutcome,
  EpochMs,
  Evacuation,
  FormerCopy,
  InstanceState,
  OperatorState,
  QuarantineCode,
  StudyState,
  StudyToPlace,
  Transfer,
} from '../study.ts';
import type { AccountLedger } from './accounts.ts';
import type { JournalLedger } from './journal.ts';
import type { LearningLedger } from './learning.ts';
import type { ShadowLedger } from './shadow.ts';
import type { TimelineLedger } from './timeline.ts';

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
    FailoverLedger,
    DoubtLedger,
    AccountLedger,
    QuarantineLedger,
    HistoryLedger,
    LearningLedger,
    ShadowLedger,
    JournalLedger,
    TimelineLedger,
    ViewLedger {
  /** Resolves when everything committed so far has reached the disk. Calls that overlap share one fsync. */
  durable(): Promise<void>;
  /** A whole, consistent copy of the ledger in `file`, made while everything goes on. @throws LedgerError */
  backup(file: string, onProgress?: (share: number) => void): Promise<void>;
  /** What it takes on the disk now: the database file, and the log of what has not been copied into it yet. */
  fileBytes(): { readonly database: number; readonly log: number };
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
  /** The same for many, in one transaction; the answers in their order. */
  receivedMany(arrivals: readonly Arrival[], now: EpochMs): readonly ReceivedAnswer[];
  /** What the ledger thinks stands on the front: orthancId → state, for `held`, `removing` and `quarantined`. */
  standing(front: string): Map<string, InstanceState>;
  /**
   * A piece of the same: identifiers that come after `after` in their order, `limit` at most, the first of them for ''. All of a
   * hundred thousand at once would hold the event loop for a tenth of a second.
   */
  standingAfter(front: string, after: string, limit: number): readonly string[];
  /** Those of the identifiers that the ledger thinks stand on the front. */
  standingAmong(front: string, orthancIds: readonly string[]): ReadonlySet<string>;
  /**
   * These are not on the front although the ledger thought so. Those with a receipt for every current copy become
   * `removed`, also with one of an earlier assignment as long as that former copy is there, and those that a person released
   * or discarded; the others `vanished` with an event on their study. Outstanding deliveries end. Only rows still `held`,
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
  /** The backend said that it holds nothing of the study: what it holds later came through here. */
  readonly clean?: boolean;
  readonly studyUid: string;
  readonly copy: number;
  readonly at: EpochMs;
  readonly policy: string;
  readonly kind: DecisionKind;
  readonly backend: string | null;
  readonly reason: string;
  readonly considered: readonly ConsideredBackend[];
}

/** What the ledger knows of a study that has no backend yet; how large it will be is a guess of others. */
export type UnplacedStudy = Omit<StudyToPlace, 'expected'>;

export interface DecisionLedger {
  /** Studies with something held and no assignment for some copy, oldest first. */
  unplaced(limit: number): readonly UnplacedStudy[];
  /** One of them as it is now; null: nothing of it is left to place. */
  unplacedStudy(studyUid: string, copy: number): UnplacedStudy | null;
  assignments(studyUid: string): readonly Assignment[];
  /**
   * Keeps the decision; if it names a backend also the assignment (epoch 1, or the last one + 1) and a delivery for each
   * held instance, in one transaction. If the copy has an assignment already that one is returned and nothing changes.
   * A `waiting` decision with the same reason as the study's last one is not kept twice (returns null). Null too, and nothing
   * kept, for a backend that is just being asked to delete its former copy of the study: it must not go there, whatever was
   * looked up before, and is decided again. Any other former copy there is none any more.
   */
  decide(decision: NewDecision): Assignment | null;
}

export interface ClaimLimits {
  readonly instances: number;
  readonly bytes: number;
  /** Only what was never tried before: so that what fails does not hold everything that could carry the rest. */
  readonly untriedOnly?: boolean;
}

export interface TransferLedger {
  /**
   * Takes the oldest waiting deliveries for this backend whose time has come, all from one front, up to the limits
   * (at least one), and opens a transfer for them. A delivery tried before makes the chunk smaller
   * (instances ÷ 4^attempts, at least 1), so that one bad instance is found and holds nobody else. Nothing is taken from the
   * fronts in `except`. Null: nothing to do.
   */
  claim(backend: string, limits: ClaimLimits, now: EpochMs, except?: ReadonlySet<string>): Transfer | null;
  /**
   * Whether `Delivery.ours` is still so. Before the backend is asked to delete: since the claim another front may have delivered the same
   * instance, whose content would be taken for damage, or the study may have been bound anew.
   */
  stillOurs(delivery: Delivery): boolean;
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

export type { JournalEntry, JournalFilter, JournalLedger, JournalPosition } from './journal.ts';
export type { KeptServiceModel, LearningLedger, StudySoFar } from './learning.ts';

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

export interface RebindRequest extends NewDecision {
  /** Of the assignment that is to end; nothing happens when it is not the current one any more. */
  readonly expectedEpoch: number;
}

export interface MoveProof {
  readonly orthancId: string;
  readonly md5: string;
  readonly bytes: number;
}

/** Binding studies anew, and what they leave behind. */
export interface FailoverLedger {
  /** Studies bound to this backend of which something is still held on a front, oldest first. */
  bound(backend: string): readonly BoundStudy[];
  /** Studies bound to this backend that are not through: something of them stands on a front, of some of those in quarantine. */
  unfinishedOn(backend: string): { readonly studies: number; readonly quarantined: number };
  /** Studies with an instance that their current backend refused (outcome `refused`) and that nothing was decided about since. */
  refusedStudies(): readonly BoundStudy[];
  /**
   * Ends the current assignment and makes the next, in one transaction: decision kept, a delivery to the new backend for
   * every held instance (also proven and singled out ones: attempts begin anew), all former deliveries ended (a transfer
   * under way proves nothing any more), the former backend noted as having a former copy, the new one no longer.
   * What waits as refused by the new backend is tried there again. Former copies of the copy get new numbers (`FormerCopy.id`), so
   * that whatever is under way about them, compared with a backend that the study is leaving, changes nothing any more.
   * Instances in quarantine are not touched. A study without any instance in the ledger may be bound too (`adopt`).
   *
   * Null, and nothing changed: the epoch is another, the backend is the current one already, has another copy, or is just
   * being asked to delete its former copy.
   *
   * @param entryOf what the audit trail says about it, when a person asked for it: in the same transaction, so that neither is ever there
   *   without the other
   */
  rebind(request: RebindRequest, entryOf?: (made: Assignment) => AuditEntry): Assignment | null;
  /** Notes a study that no front ever saw, found on `backend`: an assignment of epoch 1 to it, so that it can be bound anew. Idempotent; a study with a current assignment is left alone. */
  adopt(studyUid: string, backend: string, now: EpochMs): Assignment;
  /** A backend has something of the study, and is not where it is bound: noted as a former copy. Idempotent. */
  noteFormer(studyUid: string, backend: string, reason: string, now: EpochMs): void;
  /** The instances that these backends refused have nobody left to take them: into quarantine as `refused`. */
  quarantineRefused(studyUid: string, detail: string, now: EpochMs): number;

  /**
   * Former copies whose time has come and whose study is whole where it is bound now: nothing outstanding, nothing unplaced.
   * Oldest first. Those in `conflict` are not among them.
   */
  healable(now: EpochMs, limit: number): readonly FormerCopy[];
  /** All there are, oldest first; of one study, or of one backend. */
  formerCopies(filter?: { studyUid?: string; backend?: string }, limit?: number): readonly FormerCopy[];
  /** MD5 in the receipts of the current assignment, by orthancId; for `ours`-or-not questions of the healer. */
  receiptsOf(studyUid: string, copy: number): ReadonlyMap<string, string>;
  /** Every MD5 that was ever proven on this backend for this study, by orthancId. */
  provenOn(studyUid: string, backend: string): ReadonlyMap<string, string>;
  /** Being worked on; `reason` goes. This and all below do nothing for a number that is no more. */
  formerMoving(id: number): void;
  /**
   * These are proven on the target with the content the former copy has: kept, and for instances that have left their front
   * with this very content (or any, once a person accepted the target's) a receipt of the current epoch.
   */
  formerProven(id: number, proofs: readonly MoveProof[], now: EpochMs): void;
  /**
   * Before the former backend is asked to delete these: true when the row still stands, its target is still where the study is
   * bound, the former backend holds no current copy of it, and there is a proof (`formerProven`) or a current receipt for each.
   * The row is `deleting` then. The caller awaits `durable()`.
   */
  beginFormerRemoval(id: number, orthancIds: readonly string[], now: EpochMs): boolean;
  /** Tried later; visible with its reason. From `deleting` only when `safe`: the listing showed what is there, and no request is on its way. */
  formerLater(
    id: number,
    why: {
      readonly state: 'waiting' | 'conflict' | 'deleting';
      readonly reason: string;
      readonly notBefore: EpochMs;
    },
  ): void;
  /**
   * Nothing of the study is left there: the row ends, with an event on the study that says how much moved. Instances that had
   * left their front for this backend only, and are proven nowhere else, are `vanished`, with an event.
   */
  formerGone(id: number, moved: { readonly instances: number; readonly bytes: number }, now: EpochMs): void;
  /**
   * The former copy is the very file that `other`, another name of the same Orthanc, has of the study: no copy of its own. The row ends, with an
   * event on the study, unless that says so already; nothing was deleted, and what was proven there still counts.
   */
  formerIsShared(id: number, other: string, now: EpochMs): void;
  /** A person decided about a `conflict`: the current backend's content stands, the former may be deleted. Back to `waiting`. */
  settleFormerConflict(id: number, now: EpochMs): void;
  /** Whether the healer may delete content that differs (a person said so). */
  formerConflictSettled(id: number): boolean;

  startEvacuation(
    evacuation: { backend: string; target: string | null; bytesPerSecond: number | null },
    now: EpochMs,
  ): Evacuation;
  evacuation(backend: string): Evacuation | null;
  evacuations(): readonly Evacuation[];
  noteEvacuation(backend: string, change: { studies?: number; waiting?: string | null }, now: EpochMs): void;
  /** `moved`, `movedInstances` and `movedBytes` are counted by `formerGone` of rows on that backend. */
  endEvacuation(backend: string, state: 'stopped' | 'done', now: EpochMs): void;

  audit(entry: AuditEntry): void;
  /** Newest first. */
  auditTrail(page: { limit: number; cursor?: string }): Page<AuditEntry>;
}

/** Before a front lets go of a study, its backends are asked once more; what they do not hold any more is delivered anew. */
export interface DoubtLedger {
  /** Proven instances of the study that stand on fronts, by the backends that are bound to have them. */
  leaving(studyUid: string): ReadonlyMap<string, readonly string[]>;
  /**
   * `backend` does not hold these any more: a new round, for which no receipt counts, and deliveries that ask first, for those that
   * are `held`; with an event on the study. Returns how many.
   */
  doubt(studyUid: string, orthancIds: readonly string[], backend: string, now: EpochMs): number;
}

/** What a person decides about instances in quarantine, and about those that vanished. */
export interface QuarantineLedger {
  quarantinedInstance(front: string, orthancId: string): QuarantinedInstance | null;
  /**
   * Back into the queue: `held`, with deliveries that ask first. Without `orthancId` every one of the study. Returns how many; 0: none is
   * in quarantine, and nothing happened. `entryOf` as for `rebind`.
   */
  requeue(
    studyUid: string,
    orthancId: string | null,
    now: EpochMs,
    entryOf?: (requeued: number) => AuditEntry,
  ): number;
  /**
   * It was delivered to a backend a person named, with this MD5, outside the study's assignment: kept as a receipt of its own
   * (copy -1). It stays `quarantined` until `letGo`.
   */
  released(front: string, orthancId: string, proof: { backend: string; md5: string }, now: EpochMs): void;
  /**
   * The person of the entry gave it up: kept as an event with its size and reason, and in the audit trail, in one transaction. It stays
   * as it is until `letGo`. Also for `vanished` ones. False, and nothing kept: it was given up before, or is neither.
   */
  discarded(front: string, orthancId: string, entry: AuditEntry): boolean;
  /** It is gone from the front, after `released` or `discarded`: `removed`, and counted apart from those proven when discarded. Nothing happens without either. */
  letGo(front: string, orthancId: string, now: EpochMs): boolean;
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

/** What came and went since the sample before, and what waited at that moment. */
export interface FarmSample {
  readonly at: EpochMs;
  /** How long was counted. */
  readonly spanMs: number;
  readonly inInstances: number;
  readonly inBytes: number;
  readonly outInstances: number;
  readonly outBytes: number;
  readonly waitingInstances: number;
  /** 0: nothing waited. */
  readonly oldestAgeMs: number;
  readonly quarantined: number;
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
  addFarmSample(sample: FarmSample): void;
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
  /** What it left on backends it was bound to before. */
  readonly formerCopies: readonly FormerCopy[];
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
    /** Given up by a person; not among `removed`. */
    readonly discarded: number;
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
  /** The StudyInstanceUID begins with this. */
  readonly uid?: string;
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
  /** Former copies that are not gone yet, and those of them that a person must decide about. */
  readonly formerCopies: number;
  readonly formerConflicts: number;
  readonly backends: readonly (BackendLoad & {
    readonly sending: number;
    readonly retrying: number;
    readonly nextAttemptAt: EpochMs | null;
    readonly lastFailure: string | null;
  })[];
}

export interface ViewLedger {
  study(studyUid: string): StudyView | null;
  /**
   * Newest news first; by the beginning of a UID in the order of UIDs. `walk`: so many studies are looked at at most, where the
   * filter leaves some out; fewer than `limit` may be given then, while there are more.
   */
  studies(filter: StudyFilter, page: { limit: number; cursor?: string; walk?: number }): Page<StudyView>;
  decisions(studyUid: string): readonly Decision[];
  events(studyUid: string): readonly StudyEvent[];
  /** A conflict that was told is told again only when something else has happened to the study since. */
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
