import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode, UserError } from '../user-error.ts';

/** Whose farm this state folder is at the moment. */
export interface FarmLock {
  release(): void;
}

/**
 * Takes `<home>/farm.lock`, or says who has it. The file names a process and when that process was started, so that a lock
 * left behind by a sudden end is known for what it is, even when its number has been given to another process since.
 *
 * A listening socket as lock, which the kernel would remove, was rejected: it cannot say who holds it, and does not work
 * across network namespaces.
 *
 * @throws UserError when another farm of this folder is running.
 */
export function takeLock(home: string): FarmLock {
  const file = join(home, 'farm.lock');
  const mine = describe(process.pid);
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, mine, { mode: 0o600 });
  try {
    for (;;) {
      // A link is there at once and whole, or not at all.
      if (linked(temporary, file)) return { release: () => release(file, mine) };
      const holder = readText(file);
      if (holder === null) continue;
      const pid = Number(holder.split(' ')[0]);
      if (holder === describe(pid))
        throw new UserError(
          `A farm with its state in ${home} is already running (pid ${pid}): stop it first, or set DDE_HOME to another folder.`,
        );
      // Moved away rather than removed: should a new holder have taken it since we looked, it is given back.
      const aside = `${temporary}.stale`;
      if (!renamed(file, aside)) continue;
      if (readText(aside) !== holder) linked(aside, file);
      rmSync(aside, { force: true });
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

function release(file: string, mine: string): void {
  if (readText(file) === mine) rmSync(file, { force: true });
}

/** Number of the process and the time it was started, in clock ticks since boot; without /proc the number must do. */
function describe(pid: number): string {
  const stat = Number.isInteger(pid) && pid > 0 ? readText(`/proc/${pid}/stat`) : null;
  // The second field is the program's name in brackets and may hold blanks; the start time is the 22nd.
  const started = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  if (started !== undefined) return `${pid} ${started}`;
  return isAlive(pid) ? `${pid} -` : `${pid} gone`;
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return systemCode(error) === 'EPERM';
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') return null;
    throw error;
  }
}
