import BetterSqlite3 from 'better-sqlite3';
import { LedgerError, type LedgerErrorCode } from './ledger.ts';

/** What SQLite, or the disk below it, said; as a code that callers can act on. */
export function toLedgerError(error: unknown): LedgerError {
  if (error instanceof LedgerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  const what = code === 'damaged' ? 'The ledger is damaged' : 'Ledger';
  return new LedgerError(code, `${what}: ${message}`, { cause: error });
}

/** SHMSIZE: the shared memory beside the log could not grow, which it does by writing to its file. */
const fullDisk = new Set(['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE', 'ENOSPC', 'EDQUOT']);

function codeOf(error: unknown): LedgerErrorCode {
  // Extended codes begin with their primary one: SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_WRITE, SQLITE_CORRUPT_INDEX.
  const code = error instanceof BetterSqlite3.SqliteError ? error.code : errnoOf(error);
  if (fullDisk.has(code)) return 'full';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return 'busy';
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return 'damaged';
  return 'failed';
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
