import { closeSync, fdatasync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { syncFolder } from '../sync-folder.ts';
import { toLedgerError } from './errors.ts';
import { LedgerError } from './ledger.ts';

const fdatasyncOf = promisify(fdatasync);

/**
 * Waits for the disk without stopping the event loop: an fdatasync of the write-ahead log on libuv's threads, through a file
 * descriptor of our own. With `synchronous = FULL` every commit would stop the loop for as long as the disk takes, and
 * with it the answers to all hooks.
 *
 * Why it is enough to sync the log. A committed transaction is in one of two places. Either it stands in the log, written
 * there before COMMIT returned; fdatasync makes a file's content and size durable whoever wrote it. Or a checkpoint has
 * copied it into the database file; SQLite fsyncs the log before it copies, and begins the log anew, over what stands there,
 * only when all of it has been copied and the database file has been fsynced since. So at no time does a commit live in
 * memory alone once the log has been synced after it, checkpoints under way included. The log is the same file from open to close (it is
 * only truncated or written anew from its beginning), and the service's connection keeps it from being deleted.
 *
 * Closing our descriptor is harmless although POSIX then drops all locks of the process on that file: SQLite locks the
 * database file and the -shm file, never the log.
 */
export class Durability {
  readonly #fd: number;
  readonly #onLost: (error: LedgerError) => void;
  readonly #onSync: (seconds: number) => void;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #broken: LedgerError | null = null;
  #closed = false;

  /**
   * @param databaseFile with its -wal file already there
   * @param onLost told once when an fsync has failed
   * @param onSync told how long each took; must not throw
   */
  constructor(
    databaseFile: string,
    onLost: (error: LedgerError) => void,
    onSync: (seconds: number) => void = () => undefined,
  ) {
    this.#onSync = onSync;
    this.#onLost = onLost;
    // SQLite does this later than we need it.
    syncFolder(dirname(databaseFile));
    this.#fd = openSync(`${databaseFile}-wal`, 'r');
  }

  /**
   * Resolves when everything committed before the call is on the disk. Calls during an fsync share the one that follows
   * it: the running one may have begun before their commits.
   * @throws LedgerError once an fsync has failed, for ever: the kernel may count the lost pages as written, so that a later
   * success would prove nothing. Opening the ledger anew reads what is really there.
   */
  durable(): Promise<void> {
    if (this.#closed) return Promise.reject(new LedgerError('failed', 'The ledger is closed.'));
    if (this.#running === null) return this.#begin();
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  /** Waits for the fsyncs that were asked for; later ones are refused. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled([this.#running, this.#next]);
    closeSync(this.#fd);
  }

  #begin(): Promise<void> {
    const run = this.#sync();
    this.#running = run;
    this.#next = null;
    const over = (): void => {
      if (this.#running === run) this.#running = null;
    };
    run.then(over, over);
    return run;
  }

  async #sync(): Promise<void> {
    if (this.#broken !== null) throw this.#broken;
    const began = performance.now();
    try {
      await fdatasyncOf(this.#fd);
      this.#onSync((performance.now() - began) / 1000);
    } catch (error) {
      this.#broken = toLedgerError(error);
      this.#onLost(this.#broken);
      throw this.#broken;
    }
  }
}
