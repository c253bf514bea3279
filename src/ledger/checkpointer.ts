import { Worker } from 'node:worker_threads';
import { type Connection, framesInLog } from './connection.ts';

/** Looking at the log's length costs some microseconds; so not at every commit. */
const commitsBetweenLooks = 64;

/** Bytes of a frame in the log: a page and its header. */
const frameBytes = 4096 + 24;

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

export type CheckpointRequest = 'passive' | 'restart' | 'close';

/**
 * Copies the write-ahead log into the database file on a thread of its own, since a checkpoint waits for two fsyncs and the
 * event loop must not. A passive checkpoint takes no lock that a commit needs. A restart does, for its last few frames
 * only, because a passive one ran right before it.
 */
export class Checkpointer {
  readonly #connection: Connection;
  readonly #limits: CheckpointLimits;
  readonly #worker: Worker;
  readonly #onFailure: (error: unknown) => void;
  readonly #exited: Promise<void>;
  #commits = 0;
  #underWay = false;

  constructor(
    connection: Connection,
    file: string,
    limits: CheckpointLimits,
    onFailure: (error: unknown) => void,
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
    this.#worker.on('message', (failure: unknown) => {
      this.#underWay = false;
      if (failure !== null) onFailure(failure);
    });
    this.#worker.on('error', (error) => {
      // Slower, but the log must not grow without end: SQLite's own checkpoints at commit take over.
      if (connection.db.open) connection.db.pragma('wal_autocheckpoint = 1000');
      onFailure(error);
    });
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    connection.onWrite(() => this.#committed());
  }

  async close(): Promise<void> {
    this.#connection.onWrite(() => undefined);
    this.#worker.ref();
    this.#ask('close');
    await this.#exited;
  }

  #committed(): void {
    this.#commits += 1;
    if (this.#underWay || this.#commits < commitsBetweenLooks) return;
    this.#commits = 0;
    try {
      const { log, checkpointed } = framesInLog(this.#connection.db);
      if ((log - checkpointed) * frameBytes < this.#limits.startBytes) return;
      this.#ask(log * frameBytes < this.#limits.restartBytes ? 'passive' : 'restart');
      this.#underWay = true;
    } catch (error) {
      // The commit stands: whoever made it must not hear that it failed.
      this.#onFailure(error);
    }
  }

  #ask(request: CheckpointRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none, a window would
    this.#worker.postMessage(request);
  }
}
