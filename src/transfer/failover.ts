import type { Assignment, Evacuation } from '../study.ts';

/** Why something an operator asked for was not done; `message` is for that person. */
export type FailoverRefusal =
  | 'unknown-study'
  | 'unknown-backend'
  | 'already-there'
  | 'has-another-copy'
  | 'being-deleted-there'
  | 'not-placed'
  | 'no-other-backend'
  | 'not-in-conflict';

export class FailoverError extends Error {
  readonly code: FailoverRefusal;
  constructor(code: FailoverRefusal, message: string) {
    super(message);
    this.name = 'FailoverError';
    this.code = code;
  }
}

/** Binds studies anew: by itself when their backend is out, and when a person says so. */
export interface Failover {
  /**
   * Binds the study's copy to another backend, whole. Null as `backend`: the policy chooses. What the former backend has is
   * moved or deleted by the healer.
   * @throws FailoverError, LedgerError
   */
  rebind(request: { studyUid: string; copy: number; backend: string | null; who: string }): Assignment;
  /** Looks at every backend now. */
  check(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

/** Puts studies together again: see `FormerCopy`. */
export interface Healer {
  /** Works off everything whose time has come. Calls that overlap share one sweep. */
  sweep(): Promise<void>;
  /** A person decided about a conflict: what the study's current backend has stands. @throws FailoverError */
  acceptCurrent(studyUid: string, backend: string, who: string): void;
  start(): void;
  stop(): Promise<void>;
}

/** Moves everything a backend holds elsewhere. */
export interface Evacuator {
  /** Sets the backend to `drain` where it is `ready`, and begins, or goes on with other settings. @throws FailoverError, LedgerError */
  evacuate(request: {
    backend: string;
    target: string | null;
    bytesPerSecond: number | null;
    who: string;
  }): Evacuation;
  /** Stops after what is under way; what was moved stays moved. @throws FailoverError */
  cancel(backend: string, who: string): Evacuation;
  start(): void;
  stop(): Promise<void>;
}

/** What a person does about instances in quarantine. All are in the audit trail. @throws QuarantineError */
export interface QuarantineDesk {
  /** Tries again, where the study is bound; all of the study without `orthancId`. Returns how many. */
  retry(request: { studyUid: string; orthancId: string | null; who: string }): number;
  /** Sends it to this backend now, proves it there, and has the front let go of it. `replace`: other content there is deleted first. */
  release(request: {
    front: string;
    orthancId: string;
    backend: string;
    replace: boolean;
    who: string;
  }): Promise<{ md5: string }>;
  /** Gives it up: recorded, then deleted on the front. For one that vanished: takes note of it. */
  discard(request: { front: string; orthancId: string; who: string }): Promise<void>;
}

export class QuarantineError extends Error {
  readonly code:
    | 'not-in-quarantine'
    | 'unknown-backend'
    | 'not-delivered'
    | 'conflict-there'
    | 'front-failed';
  constructor(code: QuarantineError['code'], message: string) {
    super(message);
    this.name = 'QuarantineError';
    this.code = code;
  }
}
