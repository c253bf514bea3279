import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';

const rotateAtBytes = 10_000_000;
const keep = 5;

/**
 * Opens a log for appending; one that has grown large is first put aside as `.1` (the youngest) to `.5`. That happens only
 * when a process starts, because the process writes into the file itself: a pipe through us would block it when we are
 * slow, and lose its last words when we are killed.
 *
 * @returns the file descriptor, to be closed by the caller, and the size so far.
 */
export function openLog(file: string): { readonly descriptor: number; readonly size: number } {
  if (existsSync(file) && statSync(file).size > rotateAtBytes) {
    for (let number = keep - 1; number >= 1; number--) {
      if (existsSync(`${file}.${number}`)) renameSync(`${file}.${number}`, `${file}.${number + 1}`);
    }
    renameSync(file, `${file}.1`);
  }
  const descriptor = openSync(file, 'a', 0o600);
  return { descriptor, size: fstatSync(descriptor).size };
}

/** The last line that was written after the first `from` bytes and has something in it; '' if there is none. */
export function lastLine(file: string, from: number): string {
  if (!existsSync(file)) return '';
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const begin = Math.max(from, size - 4096);
    if (size <= begin) return '';
    const buffer = Buffer.alloc(size - begin);
    const bytes = readSync(descriptor, buffer, 0, buffer.length, begin);
    const lines = buffer.toString('utf8', 0, bytes).split('\n');
    return (
      lines
        .findLast((line) => line.trim() !== '')
        ?.trim()
        .slice(-400) ?? ''
    );
  } finally {
    closeSync(descriptor);
  }
}
