import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { systemCode } from '../user-error.ts';
import { LedgerError } from './ledger.ts';

/** What stands on the disk where the ledger should be, as far as a glance tells. */
export interface Glance {
  /** `none`: no file, or an empty one, which to SQLite is the same. */
  readonly file: 'none' | 'ledger';
  /** Bytes of the database file. */
  readonly bytes: number;
  /** Commits stand in the log alone: whoever wrote last did not end in order. */
  readonly unclean: boolean;
  /** The file was made by `backup`, and not yet opened by a service since. */
  readonly restored: boolean;
}

/**
 * `application_id` of a copy made by `backup`. A service that finds it in its ledger knows that time has passed which this
 * ledger does not know of.
 */
export const backupMark = 0x44444542;
/** Where SQLite keeps the `application_id` in the file. */
export const backupMarkAt = 68;

const magic = 'SQLite format 3\0';
const walHeaderBytes = 32;

/**
 * Looks at the few bytes that tell the usual damage: something else written over the file, an end that is missing, a log that
 * is none. SQLite itself takes a log it cannot read for an empty one and a file of no bytes for a new ledger, and would
 * go on without the commits. Costs two reads, and must be done before SQLite has the file open in this process: closing any
 * descriptor of it drops SQLite's locks.
 *
 * @throws LedgerError `damaged`, or `failed` when the files cannot be read
 */
export function glanceAt(file: string): Glance {
  const bytes = sizeOf(file);
  const logBytes = sizeOf(`${file}-wal`) ?? 0;
  if (bytes === null || bytes === 0) {
    if (logBytes > 0) throw damaged(`${bytes === null ? 'it is gone' : 'it is empty'}, and its log is not`);
    return { file: 'none', bytes: 0, unclean: false, restored: false };
  }
  const header = readStart(file, 100);
  if (header.length < 100 || header.toString('latin1', 0, 16) !== magic)
    throw damaged('it is not a database');
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  if (pageBytes < 512 || (pageBytes & (pageBytes - 1)) !== 0) throw damaged('its header makes no sense');
  const restored = header.readUInt32BE(backupMarkAt) === backupMark;
  if (logBytes > 0 && !restored) checkLog(`${file}-wal`, pageBytes);
  // While there is a log, pages may stand there alone.
  if (logBytes === 0 && bytes < header.readUInt32BE(28) * pageBytes) throw damaged('its end is missing');
  return { file: 'ledger', bytes, unclean: logBytes > 0, restored };
}

/** The log's header has a checksum; a log shorter than its header was never begun. */
function checkLog(log: string, pageBytes: number): void {
  const header = readStart(log, walHeaderBytes);
  if (header.length < walHeaderBytes) throw damaged('its log makes no sense');
  const mark = header.readUInt32BE(0);
  if (mark !== 0x377f0682 && mark !== 0x377f0683) throw damaged('its log is not one');
  const word = (at: number): number =>
    mark === 0x377f0683 ? header.readUInt32BE(at) : header.readUInt32LE(at);
  let one = 0;
  let other = 0;
  for (let at = 0; at < 24; at += 8) {
    one = (one + word(at) + other) >>> 0;
    other = (other + word(at + 4) + one) >>> 0;
  }
  if (
    header.readUInt32BE(24) !== one ||
    header.readUInt32BE(28) !== other ||
    header.readUInt32BE(8) !== pageBytes
  )
    throw damaged('its log makes no sense');
}

function readStart(file: string, bytes: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(fd, buffer, 0, bytes, 0));
  } finally {
    closeSync(fd);
  }
}

/** Null: there is no such file. */
function sizeOf(file: string): number | null {
  if (!existsSync(file)) return null;
  try {
    const found = statSync(file);
    if (!found.isFile()) throw new LedgerError('failed', `${file} is no file.`);
    return found.size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function damaged(what: string): LedgerError {
  return new LedgerError('damaged', `The ledger is damaged: ${what}`);
}
