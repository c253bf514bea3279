import { Worker } from 'node:worker_threads';
import { type Connection, framesInLog, pageBytes } from './connection.ts';
import { LedgerError, type LedgerErrorCode } from './ledger.ts';

/** Looking at the log's length costs some microseconds; so not at every commit. */
const commitsBetweenLooks = 64;

/** Bytes of a frame in the log: a page and its header. */
const frameBytes = pageBytes + 24;

export interface CheckpointLimits {
  /** Bytes in the log that are not in the database file yet, from which a checkpoint is worth its fsyncs. */
  readonly startBytes: number;
  /**
   * Length of the log from which it is made to begin anew. Under a steady stream of commits a passive checkpoint always
   * ends with some new frames behind it, and the log would grow for as long as the stream lasts.
   */
  readonly restartBytes: number;
}

export const defaultCheckpointLimits: CheckpointLimits = {
  startBytes: 8 * 1024 * 1024,
  restartBytes: 96 * 1024 * 1024,
};

export type WorkerTask =
  | { readonly kind: 'passive' | 'restart' | 'check' }
  | { readonly kind: 'backup'; readonly file: string };
export type WorkerRequest = WorkerTask | { readonly kind: 'close' };

/** Errors lose their class on the way between threads. */
interface Failure {
  readonly code: LedgerErrorCode;
  readonly message: string;
}

export type WorkerAnswer =
  | { readonly kind: 'checkpointed'; readonly failure: Failure | null }
  | { readonly kind: 'copying'; readonly share: number }
  | { readonly kind: 'copied'; readonly failure: Failure | null }
  | { readonly kind: 'checked'; readonly found: string | null; readonly failure: Failure | null };

interface Copy {
  readonly onProgress: (share: number) => void;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Copies the write-ahead log into the database file on a thread of its own, since a checkpoint waits for two fsyncs and the
 * event loop must not. A passive checkpoint takes no lock that a commit needs. A restart does, for its last few frames
 * only, because a passive one ran right before it.
 *
 * The same thread makes backups and looks for damage: both read the whole ledger, and both would be in the way of a
 * restart if they did not know of it.
 */
export class Checkpointer {
  readonly #connection: Connection;
  readonly #limits: CheckpointLimits;
  readonly #worker: Worker;
  readonly #onFailure: (error: unknown) => void;
  readonly #exited: Promise<void>;
  #commits = 0;
  #underWay = false;
  #ended: LedgerError | null = null;
  #copy: Copy | null = null;
  #check: PromiseWithResolvers<string | null> | null = null;

  constructor(
    connection: Connection,
    file: string,
    limits: CheckpointLimits,
    onFailure: (error: unknown) => void,
    onCommit: (seconds: number) => void = () => undefined,
  ) {
    this.#connection = connection;
    this.#limits = limits;
    this.#onFailure = onFailure;
    this.#worker = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), {
      workerData: { file },
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32 },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: WorkerAnswer) => this.#heard(answer));
    this.#worker.on('error', (error) => {
      // Slower, but the log must not grow without end: SQLite's own checkpoints at commit take over.
      if (connection.db.open) connection.db.pragma('wal_autocheckpoint = 1000');
      onFailure(error);
    });
    this.#exited = new Promise((resolve) =>
      this.#worker.once('exit', () => {
        this.#ended ??= new LedgerError('failed', "The ledger's second thread has ended");
        this.#copy?.done.reject(this.#ended);
        this.#check?.reject(this.#ended);
        resolve();
      }),
    );
    connection.onWrite((seconds) => {
      onCommit(seconds);
      this.#committed();
    });
  }

  /** Writes a consistent copy to a file that is not there yet; one at a time. `onProgress`: 0 to 1. @throws LedgerError */
  async copy(file: string, onProgress: (share: number) => void): Promise<void> {
    if (this.#ended !== null) throw this.#ended;
    if (this.#copy !== null) throw new LedgerError('busy', 'Another backup is being made');
    const done = Promise.withResolvers<void>();
    this.#copy = { onProgress, done };
    // Whoever waits for it must not see the process end for want of anything else to do.
    this.#worker.ref();
    try {
      this.#ask({ kind: 'backup', file });
      await done.promise;
    } finally {
      this.#copy = null;
      this.#worker.unref();
    }
  }

  /** Reads the whole ledger: null, or what is wrong with it. Takes seconds for a large one. @throws LedgerError */
  async check(): Promise<string | null> {
    if (this.#ended !== null) throw this.#ended;
    this.#check = Promise.withResolvers();
    this.#ask({ kind: 'check' });
    return await this.#check.promise;
  }

  async close(): Promise<void> {
    this.#connection.onWrite(() => undefined);
    this.#ended ??= new LedgerError('failed', 'The ledger is closed');
    this.#worker.ref();
    this.#ask({ kind: 'close' });
    await this.#exited;
  }

  #heard(answer: WorkerAnswer): void {
    switch (answer.kind) {
      case 'checkpointed':
        this.#underWay = false;
        if (answer.failure !== null) this.#onFailure(errorOf(answer.failure));
        return;
      case 'copying':
        this.#copy?.onProgress(answer.share);
        return;
      case 'copied':
        if (answer.failure === null) this.#copy?.done.resolve();
        else this.#copy?.done.reject(errorOf(answer.failure));
        return;
      case 'checked':
        if (answer.failure === null) this.#check?.resolve(answer.found);
        else this.#check?.reject(errorOf(answer.failure));
    }
  }

  #committed(): void {
    this.#commits += 1;
    if (this.#underWay || this.#commits < commitsBetweenLooks) return;
    this.#commits = 0;
    try {
      const { log, checkpointed } = framesInLog(this.#connection.db);
      if ((log - checkpointed) * frameBytes < this.#limits.startBytes) return;
      this.#ask({ kind: log * frameBytes < this.#limits.restartBytes ? 'passive' : 'restart' });
      this.#underWay = true;
    } catch (error) {
      // The commit stands: whoever made it must not hear that it failed.
      this.#onFailure(error);
    }
  }

  #ask(request: WorkerRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none, a window would
    this.#worker.postMessage(request);
  }
}

function errorOf({ code, message }: Failure): LedgerError {
  return new LedgerError(code, message);
}
