import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { syncFolder } from '../sync-folder.ts';
import { toLedgerError } from './errors.ts';
import { LedgerError } from './ledger.ts';
import { backupMark, backupMarkAt } from './recovery-inspect.ts';

/** A copy must not take the last of a disk on which the ledger itself may stand: without it no study is placed. */
const reserveBytes = 64 * 1024 * 1024;

/**
 * Gives a copy its name when it is whole and on the disk, replacing what had the name before. Dying anywhere leaves the former
 * file, and a file whose name ends in `.partial`.
 *
 * @param copy writes the copy to the file it is told
 * @throws LedgerError `full` when there is no room for it, decided before it is begun
 */
export async function keepCopy(
  file: string,
  bytes: number,
  copy: (partial: string) => Promise<void>,
): Promise<void> {
  const partial = `${file}.${process.pid}.partial`;
  try {
    checkRoom(dirname(file), bytes);
    await rm(partial, { force: true });
    await copy(partial);
    const handle = await open(partial, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    syncFolder(dirname(file));
  } catch (error) {
    for (const suffix of ['', '-journal', '-wal', '-shm']) await rm(partial + suffix, { force: true });
    throw toLedgerError(error);
  }
}

/**
 * A copy of a ledger that is about to be brought up to a version, as `….before-v2`: whoever has to go back to the release
 * before can. All of it has been written to the file (no log), and nobody has it open. An earlier copy of that name is
 * replaced: whatever it was made for did not happen.
 *
 * Synchronous, since nothing else happens yet, and a plain copy of the file: on disks that can share blocks it costs nothing.
 *
 * @throws LedgerError `full` when there is no room for it; nothing has been changed then
 */
export function keepBefore(file: string, version: number): void {
  const kept = `${file}.before-v${version}`;
  const partial = `${kept}.partial`;
  try {
    checkRoom(dirname(file), statSync(file).size);
    copyFileSync(file, partial, constants.COPYFILE_FICLONE);
    const fd = openSync(partial, 'r+');
    try {
      const mark = Buffer.alloc(4);
      mark.writeUInt32BE(backupMark);
      writeSync(fd, mark, 0, 4, backupMarkAt);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(partial, kept);
    syncFolder(dirname(file));
  } catch (error) {
    rmSync(partial, { force: true });
    const { code, message } = toLedgerError(error);
    throw new LedgerError(
      code,
      `${message}; without a copy the ledger is not brought up to version ${version}`,
      {
        cause: error,
      },
    );
  }
}

function checkRoom(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes + reserveBytes) return;
  throw new LedgerError(
    'full',
    `There is no room in ${folder} for a copy of the ledger: ${inMegabytes(bytes + reserveBytes)} are needed, ${inMegabytes(bavail * bsize)} are free`,
  );
}

function inMegabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

/**
 * Whether a copy is a whole database: null, or what SQLite finds wrong with it. It reads all of it, and may take seconds.
 * @param file in a folder that can be written to, and not in use
 */
export function faultOfCopy(file: string): string | null {
  try {
    const db = new BetterSqlite3(file, { fileMustExist: true });
    try {
      const found = String(db.pragma('quick_check(1)', { simple: true }));
      return found === 'ok' ? null : found;
    } finally {
      db.close();
    }
  } catch (error) {
    return toLedgerError(error).message;
  }
}
