import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { LedgerError } from './ledger.ts';

/**
 * Holds a ledger for this process alone until `release`. Two services on one ledger would send everything twice and
 * remove behind each other's back.
 *
 * The lock is SQLite's own on an empty database beside the ledger, so the kernel lets go of it however the process ends;
 * a file with a process id was rejected, since after a crash its number may belong to somebody else.
 *
 * @throws LedgerError `busy` when another process holds it.
 */
export function lockLedger(file: string): { release(): void } {
  mkdirSync(dirname(file), { recursive: true });
  const lock = new Database(`${file}.lock`, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new LedgerError('busy', `another service is using the ledger ${file}`, { cause: error });
  }
  return {
    release() {
      lock.close();
    },
  };
}
