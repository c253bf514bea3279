import BetterSqlite3, { type Database, type Statement } from 'better-sqlite3';
import { toLedgerError } from './errors.ts';
import type { LedgerError } from './ledger.ts';

/**
 * How long a call waits for another connection's lock. Only the checkpointer ever holds one, for the two fsyncs of a
 * restart of the write-ahead log.
 */
const busyTimeoutMs = 5_000;

/**
 * A parameter of a statement that is run for each image or transfer, for use in place of `@name`. Where a table has a partial index SQLite
 * looks at the values that are bound while it plans, in case they allow that index, and plans anew each time others are bound: up to
 * twenty times what running the statement takes. What a subquery gives is not looked at, and the plan stays. Do not use it where a
 * value is to decide on the index.
 */
export const unseen = (parameter: string): string => `(SELECT ${parameter})`;

/** SQLite's own size of a page. */
export const pageBytes = 4096;

/**
 * The service's one connection. All of the ledger's parts go through it, so that every error is a `LedgerError` and every
 * write is counted for the checkpointer.
 */
export class Connection {
  readonly db: Database;
  readonly #transaction: { immediate(work: () => unknown): unknown };
  #afterWrite: (seconds: number) => void = () => undefined;
  #whenDamaged: (error: LedgerError) => void = () => undefined;

  constructor(file: string) {
    this.db = openDatabase(file);
    this.#transaction = this.db.transaction((work: () => unknown) => work());
  }

  /** Called after each committed transaction with the seconds it took; must be quick, and not throw. */
  onWrite(listener: (seconds: number) => void): void {
    this.#afterWrite = listener;
  }

  /** Called once, at the first sign that the ledger is damaged; must not throw. */
  onDamage(listener: (error: LedgerError) => void): void {
    this.#whenDamaged = listener;
  }

  /** Says that it is damaged, whoever noticed. */
  damaged(error: LedgerError): void {
    const say = this.#whenDamaged;
    this.#whenDamaged = () => undefined;
    say(error);
  }

  prepare<Row>(sql: string): Statement<unknown[], Row> {
    return this.db.prepare<unknown[], Row>(sql);
  }

  /**
   * One transaction. IMMEDIATE: the lock is waited for at the beginning, where waiting is safe, and never in the middle.
   * @throws LedgerError; nothing of `work` has happened then.
   */
  write<T>(work: () => T): T {
    const result: { value?: { readonly of: T } } = {};
    const began = performance.now();
    try {
      this.#transaction.immediate(() => {
        result.value = { of: work() };
      });
    } catch (error) {
      throw this.#failure(error);
    }
    if (result.value === undefined) throw toLedgerError(new Error('a transaction ended without running'));
    this.#afterWrite((performance.now() - began) / 1000);
    return result.value.of;
  }

  /** Several reads as one picture of the ledger: one synchronous turn, and nobody else writes. @throws LedgerError */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): LedgerError {
    const failure = toLedgerError(error);
    if (failure.code === 'damaged') this.damaged(failure);
    return failure;
  }
}

/** @throws the errors of SQLite as they are */
export function openDatabase(file: string): Database {
  const db = new BetterSqlite3(file, { timeout: busyTimeoutMs });
  try {
    db.pragma('journal_mode = WAL');
    // NORMAL commits into the operating system and not to the disk: it survives the death of the process, and `durable()`
    // waits for the disk where that is needed. FULL was rejected: it stops the event loop for an fsync at each commit.
    db.pragma('synchronous = NORMAL');
    db.pragma('foreign_keys = ON');
    // A checkpoint at commit would stop the event loop for two fsyncs; the checkpointer's thread does it.
    db.pragma('wal_autocheckpoint = 0');
    // What a burst made the log grow to is given back when it begins anew.
    db.pragma('journal_size_limit = 134217728');
    db.pragma('cache_size = -8000');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Frames in the log, and how many of them are in the database file already. NOOP only looks. */
export function framesInLog(db: Database): { log: number; checkpointed: number } {
  const answer = db.pragma('wal_checkpoint(NOOP)');
  const row: unknown = Array.isArray(answer) ? answer[0] : null;
  if (typeof row !== 'object' || row === null || !('log' in row) || !('checkpointed' in row)) {
    throw new Error('SQLite did not say how long its log is');
  }
  return { log: Number(row.log), checkpointed: Number(row.checkpointed) };
}
