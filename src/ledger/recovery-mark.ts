import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import type { EpochMs } from '../study.ts';
import { systemCode } from '../user-error.ts';

/** That the ledger is damaged, told to the next start: the name it is moved to, and why. */
const markSchema = z.object({ aside: z.string().regex(/^[\w.-]+$/), why: z.string() });
export type Mark = z.output<typeof markSchema>;

const markOf = (file: string): string => `${file}.damaged`;

/**
 * Notes that the ledger is damaged, so that the next start moves it aside. On the disk when it returns.
 * @throws system errors, on a full disk for one: then the next start has to find out by itself
 */
export function markDamaged(file: string, why: string, now: EpochMs): Mark {
  const mark = { aside: `${basename(file)}.damaged-${unusedStamp(file, now)}`, why };
  const fd = openSync(markOf(file), 'w', 0o600);
  try {
    writeSync(fd, JSON.stringify(mark));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return mark;
}

/** Such as 20261124T093000Z: sorts by time, and is a file name everywhere. */
export function stampOf(now: EpochMs): string {
  return new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

function unusedStamp(file: string, now: EpochMs): string {
  const stamp = stampOf(now);
  for (let count = 1; ; count += 1) {
    const one = count === 1 ? stamp : `${stamp}-${count}`;
    if (!['', '-wal', '-shm'].some((suffix) => existsSync(`${file}.damaged-${one}${suffix}`))) return one;
  }
}

/** Null: the ledger is not known to be damaged. */
export function readMark(file: string, now: EpochMs): Mark | null {
  let text: string;
  try {
    text = readFileSync(markOf(file), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    return markSchema.parse(JSON.parse(text));
  } catch {
    // It was being written when everything died; that it is there says enough.
    return markDamaged(file, 'The ledger is damaged', now);
  }
}

/** The damaged ledger has been moved aside, and a new one stands in its place. */
export function forgetMark(file: string): void {
  rmSync(markOf(file), { force: true });
}
