/**
 * The words of the project as types. Everything else imports them from here; this file imports nothing.
 *
 * Times are milliseconds since the epoch (`EpochMs`), durations end in `Ms`, sizes are bytes.
 */

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number;

/** Injected wherever time matters, so that tests and the simulator give their own. */
export type Clock = () => EpochMs;

/**
 * Where an instance stands on its front.
 *
 * - `held`: on the front; deliveries may be outstanding or all proven.
 * - `removing`: its removal was committed and the front is being asked; after a crash nobody knows whether
 *   it happened, so it is looked at again.
 * - `removed`: gone from the front, after its receipt.
 * - `vanished`: gone from the front without a receipt: somebody deleted it there. Never our doing.
 * - `quarantined`: stays on the front until a person decides; see `QuarantineCode`.
 */
export type InstanceState = 'held' | 'removing' | 'removed' | 'vanished' | 'quarantined';

/** What a study is doing, as the API says it: the state of its least advanced instance. */
export type StudyState =
  | 'received' // not placed yet; `waiting` says why
  | 'assigned' // placed, nothing under way at this moment
  | 'sending'
  | 'verified' // everything proven, waiting to settle
  | 'healing' // gone from the front, and a former backend still has a part that must move or be deleted
  | 'removed' // everything proven and gone from the front, and on one backend
  | 'quarantined'; // something needs a person

/** What an operator says of a backend, in HAProxy's words. */
export const operatorStates = ['ready', 'drain', 'maint'] as const;
export type OperatorState = (typeof operatorStates)[number];

/** What polling says of an Orthanc. `unknown` until the first answer or the second silence. */
export type Health = 'unknown' | 'up' | 'down';

/** Same SOPInstanceUID, other content than the backend has: what to do. */
export const conflictPolicies = ['quarantine', 'replace', 'keep'] as const;
export type ConflictPolicy = (typeof conflictPolicies)[number];

export type QuarantineCode =
  | 'conflict' // the backend holds other content under the same identifier
  | 'refused' // every backend that could be asked answers, and will not take this instance
  | 'unreadable'; // the front cannot give its own file

/**
 * Why a transfer, or an instance of it, did not end in a receipt. Retry reads these, never a message.
 *
 * `transient`: nothing reached the backend, or the backend said "not now". `ambiguous`: the backend may have
 * it; ask before sending again. `permanent`: trying again cannot help.
 */
export const failureCodes = {
  'front-unreachable': 'transient',
  'front-error': 'ambiguous',
  'backend-unreachable': 'transient',
  'backend-unauthorized': 'transient', // a person mends the password; images wait for that
  'backend-error': 'ambiguous',
  'send-failed': 'ambiguous', // the front's job failed; some of its instances may have arrived
  'send-timeout': 'ambiguous',
  stalled: 'ambiguous', // nothing moved for so long that waiting on was given up
  damaged: 'ambiguous', // it arrived with other content than was sent; deleted there, to be sent again
  'not-held': 'ambiguous', // the backend acknowledged it, and does not hold it
  interrupted: 'ambiguous', // the service stopped or died while it was under way
  conflict: 'permanent',
  refused: 'permanent',
  unreadable: 'permanent',
} as const;
export type FailureCode = keyof typeof failureCodes;
export type FailureKind = (typeof failureCodes)[FailureCode];

/** What the hook or the reconciler says of one instance that stands on a front. */
export interface Arrival {
  readonly front: string;
  /** SHA-1 of PatientID|StudyInstanceUID|SeriesInstanceUID|SOPInstanceUID, as Orthanc forms it; 5 × 8 hex digits. */
  readonly orthancId: string;
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly sopUid: string;
  readonly modality: string | null;
  readonly station: string | null;
  readonly remoteAet: string | null;
  readonly calledAet: string | null;
  readonly remoteIp: string | null;
  readonly transferSyntax: string | null;
  /** Bytes of the file; an estimate from Rows × Columns × … when `bytesExact` is false. */
  readonly bytes: number;
  readonly bytesExact: boolean;
}

/** Study (and copy) → backend. The epoch grows when the study is placed anew. */
export interface Assignment {
  readonly studyUid: string;
  /** Counted from 0; one copy unless a rule asks for more. */
  readonly copy: number;
  readonly epoch: number;
  readonly backend: string;
  readonly decisionId: number;
  readonly assignedAt: EpochMs;
}

/** One instance on its way to one backend: a row of the queue. It ends in a receipt, or the instance in quarantine. */
export interface Delivery {
  readonly id: number;
  /** The ledger's number of the instance. */
  readonly instance: number;
  readonly orthancId: string;
  readonly sopUid: string;
  readonly studyUid: string;
  readonly front: string;
  readonly backend: string;
  readonly copy: number;
  readonly epoch: number;
  readonly bytes: number;
  /** How often it was tried and did not end in a receipt. */
  readonly attempts: number;
  /** The backend may hold it already: ask it before sending. */
  readonly askFirst: boolean;
  /**
   * Whatever the backend holds under this identifier came through this service: it held nothing of the study when the study
   * was bound to it, and has never been proven to hold this instance. Other content there is damage, no conflict, if those in
   * `alsoOn` have what this front has.
   */
  readonly ours: boolean;
  /** Other fronts that hold an instance of this identifier: theirs may be what the backend was given. */
  readonly alsoOn: readonly string[];
  /** When the service first knew of the instance, if nothing ever proved it on any backend; null: something did. */
  readonly unprovenSince: EpochMs | null;
}

/** A peer-store job: a chunk of deliveries from one front to one backend. */
export interface Transfer {
  readonly id: number;
  readonly front: string;
  readonly backend: string;
  readonly startedAt: EpochMs;
  readonly deliveries: readonly Delivery[];
  /** More of the same front was ready to go and had no room in it. */
  readonly leavesSome: boolean;
}

/** How one delivery of a transfer ended. */
export type DeliveryOutcome =
  /** `supersedes`: other content that another front had proven there was to be replaced, and needs no proof any more. */
  | {
      readonly kind: 'proven';
      readonly md5: string;
      readonly bytes: number | null;
      readonly supersedes?: boolean;
    }
  | {
      readonly kind: 'retry';
      readonly code: FailureCode;
      readonly detail: string;
      readonly notBefore: EpochMs;
    }
  | { readonly kind: 'quarantine'; readonly code: QuarantineCode; readonly detail: string }
  /**
   * This backend will not take it, and has taken others. The study goes to another backend, whole, if one is left that has
   * not refused it and nothing of it has left the front; else the instance goes into quarantine.
   */
  | { readonly kind: 'refused'; readonly detail: string }
  /** No longer on the front. With an earlier receipt that is `removed`, without one `vanished`. */
  | { readonly kind: 'absent' };

/** A backend as a decision saw it, with its score. Kept with the decision. */
export interface ConsideredBackend {
  readonly backend: string;
  /** Lower is better; null when it was not eligible. */
  readonly score: number | null;
  /** Why it was not chosen; null for the chosen one. */
  readonly passedOver: string | null;
  /** The figures the score was made from, for the person who asks. */
  readonly inputs: Readonly<Record<string, number | string | null>>;
}

export type DecisionKind =
  | 'placed' // a policy chose
  | 'followed' // a backend already held the study
  | 'rebound' // placed anew, away from the backend it was bound to
  | 'waiting'; // nobody could be chosen

/** One decision about one copy of a study, as it is kept. */
export interface Decision {
  readonly id: number;
  readonly studyUid: string;
  readonly copy: number;
  readonly epoch: number;
  readonly at: EpochMs;
  readonly policy: string;
  readonly kind: DecisionKind;
  readonly backend: string | null;
  readonly reason: string;
  readonly considered: readonly ConsideredBackend[];
}

/** What a policy may know of the study it places. */
export interface StudyToPlace {
  readonly studyUid: string;
  readonly copy: number;
  readonly modality: string | null;
  readonly station: string | null;
  /** What has arrived so far. */
  readonly instances: number;
  readonly bytes: number;
  readonly firstSeenAt: EpochMs;
  /** When the last of it arrived. */
  readonly lastNewsAt: EpochMs;
  /** How large it is expected to be in the end, never less than what has arrived. */
  readonly expected: StudySize;
}

/** How large a study is expected to be when it has arrived whole. */
export interface StudySize {
  readonly instances: number;
  readonly bytes: number;
  /** Seconds until the last of it is expected on the front; 0: it is taken to be whole. */
  readonly arrivesIn: number;
}

/**
 * What a study left on a backend it was bound to before: perhaps nothing, perhaps a part, perhaps all. It ends when nothing
 * of the study is left there, everything having been proven on the backend where the study is bound now.
 *
 * - `waiting`: not looked at yet, or something must happen first; `reason` says what.
 * - `moving`: being compared, and what is missing copied.
 * - `deleting`: everything proven on the other side and committed; the former backend is being asked to let go. While a
 *   former copy is in this state the study is never bound to that backend again: the deletion may still be on its way.
 * - `conflict`: it holds other content than the current backend; a person decides.
 */
export type FormerState = 'waiting' | 'moving' | 'deleting' | 'conflict';

export interface FormerCopy {
  readonly id: number;
  readonly studyUid: string;
  readonly copy: number;
  /** Where the former copy is. */
  readonly backend: string;
  /** Where the study is bound now. */
  readonly target: string;
  readonly state: FormerState;
  /** When the study was bound elsewhere. */
  readonly since: EpochMs;
  /** Why it still waits, for a person; null while it is worked on. */
  readonly reason: string | null;
  readonly attempts: number;
  /** Fronts the study has come through: a job of theirs may still be bringing images to the former backend. */
  readonly fronts: readonly string[];
}

/** A study as the failover sees it: bound to a backend, with something of it still on a front. */
export interface BoundStudy {
  readonly studyUid: string;
  readonly copy: number;
  readonly epoch: number;
  readonly backend: string;
  /** Some of its instances have left the front: binding it anew means moving those from backend to backend later. */
  readonly torn: boolean;
  /** Instances on fronts without a receipt for this assignment. */
  readonly unproven: number;
  /** Arrival of the oldest of them; null when everything is proven. */
  readonly waitingSince: EpochMs | null;
  /** Backends that refused an instance of it (outcome `refused`). */
  readonly refusedBy: readonly string[];
}

/** Moving a backend's studies away for good. Durable; goes on after a restart. */
export interface Evacuation {
  readonly backend: string;
  readonly state: 'running' | 'stopped' | 'done';
  /** Null: chosen by the policy, study by study. */
  readonly target: string | null;
  /** Bytes a second that copying may use; null: as fast as it goes. */
  readonly bytesPerSecond: number | null;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs | null;
  /** Studies found on the backend so far, and those that are gone from it, proven elsewhere. */
  readonly studies: number;
  readonly moved: number;
  readonly movedInstances: number;
  readonly movedBytes: number;
  /** What it waits for; null while it moves. */
  readonly waiting: string | null;
}

/** What an operator did, as it is kept for those who ask later who did it. */
export interface AuditEntry {
  readonly at: EpochMs;
  /** Name of the token. */
  readonly who: string;
  /** `rebind`, `evacuate`, `quarantine-retry`, `quarantine-release`, `quarantine-discard`, `backend-set`, … */
  readonly action: string;
  /** What it was done to: a study, a backend, an instance. */
  readonly target: string;
  readonly detail: string;
}

/** What a caller of the admin API may do; each may what those before it may. */
export const roles = ['view', 'operate', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Somebody's key to the admin API, as it is told: never the key itself. */
export interface AccessToken {
  readonly name: string;
  readonly role: Role;
  readonly createdAt: EpochMs;
  /** Name of the token it was created with. */
  readonly createdBy: string;
  /** To the minute; null: never. */
  readonly lastUsedAt: EpochMs | null;
  readonly revokedAt: EpochMs | null;
}
