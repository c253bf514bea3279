import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';

/** When a log is put aside, and how many that were put aside are kept: `.1` is the youngest. */
export interface LogLimits {
  readonly maxBytes: number;
  readonly files: number;
}

/**
 * Opens a log for appending; one that has grown large is first put aside.
 *
 * @returns the file descriptor, to be closed by the caller, and the size so far.
 * @throws the system error
 */
export function openLog(
  file: string,
  limits: LogLimits,
): { readonly descriptor: number; readonly size: number } {
  if (isLarge(file, limits)) {
    makeRoom(file, limits);
    renameSync(file, `${file}.1`);
  }
  const descriptor = openSync(file, 'a', 0o600);
  return { descriptor, size: fstatSync(descriptor).size };
}

/**
 * Puts a log aside that has grown large while a program goes on writing into it, appending: it is copied, then emptied. So the logs of
 * Orthancs, which know of no rotation, are bounded too, and what a program says when it dies stands where all else stands.
 *
 * Rejected: a pipe through us, which blocks the program when we are slow and loses its last words when we are killed; and winston's
 * own rotation, which would be for the service alone. What is written between the end of the copy and the emptying, some
 * microseconds, is lost.
 *
 * @returns whether it was large.
 * @throws the system error, such as of a full disk; nothing has happened to the log then.
 */
export function rotateWhileWritten(file: string, limits: LogLimits): boolean {
  if (!isLarge(file, limits)) return false;
  const copy = `${file}.new`;
  try {
    copyFileSync(file, copy);
    makeRoom(file, limits);
    renameSync(copy, `${file}.1`);
  } catch (error) {
    rmSync(copy, { force: true });
    throw error;
  }
  try {
    // What came during all that.
    appendFileSync(`${file}.1`, readFrom(file, statSync(`${file}.1`).size));
  } finally {
    truncateSync(file, 0);
  }
  return true;
}

function isLarge(file: string, { maxBytes }: LogLimits): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxBytes;
}

/** Each log put aside gets the next number; the last one goes. */
function makeRoom(file: string, { files }: LogLimits): void {
  rmSync(`${file}.${files}`, { force: true });
  for (let number = files - 1; number >= 1; number--) {
    if (existsSync(`${file}.${number}`)) renameSync(`${file}.${number}`, `${file}.${number + 1}`);
  }
}

/** The last line that was written after the first `from` bytes and has something in it; '' if there is none. */
export function lastLine(file: string, from: number): string {
  if (!existsSync(file)) return '';
  const begin = Math.max(from, statSync(file).size - 4096);
  const lines = readFrom(file, begin).toString('utf8').split('\n');
  return (
    lines
      .findLast((line) => line.trim() !== '')
      ?.trim()
      .slice(-400) ?? ''
  );
}

function readFrom(file: string, begin: number): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - begin));
    return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, begin));
  } finally {
    closeSync(descriptor);
  }
}
