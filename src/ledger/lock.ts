import { existsSync, mkdirSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import BetterSqlite3, { type Database } from 'better-sqlite3';
import { toLedgerError } from './errors.ts';
import { LedgerError } from './ledger.ts';

export interface LedgerLock {
  /** The lock's file was there already: a service has run on this ledger before. */
  readonly usedBefore: boolean;
  release(): void;
}

/**
 * Holds a ledger for this process alone until `release`. Two services on one ledger would send everything twice and
 * remove behind each other's back.
 *
 * The lock is SQLite's own on an empty database beside the ledger, so the kernel lets go of it however the process ends;
 * a file with a process id was rejected, since after a crash its number may belong to somebody else.
 *
 * @throws LedgerError `busy` when another process holds it.
 */
export function lockLedger(file: string): LedgerLock {
  mkdirSync(dirname(file), { recursive: true });
  const lockFile = `${file}.lock`;
  const usedBefore = existsSync(lockFile);
  let lock: Database;
  try {
    lock = lockedDatabase(lockFile);
  } catch (error) {
    const failure = toLedgerError(error);
    if (failure.code === 'busy')
      throw new LedgerError('busy', `another service is using the ledger ${file}`, { cause: error });
    // Whoever holds the lock is noticed before the file is read: with something else written into it, nobody does.
    if (failure.code !== 'damaged') throw failure;
    truncateSync(lockFile);
    lock = lockedDatabase(lockFile);
  }
  return {
    usedBefore,
    release() {
      lock.close();
    },
  };
}

/** @throws the errors of SQLite as they are */
function lockedDatabase(file: string): Database {
  const lock = new BetterSqlite3(file, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}
