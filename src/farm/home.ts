import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../user-error.ts';
import { whyNot } from './secrets.ts';

/** Below this a start would only end in a heap of errors: SQLite's logs and a few images need more. */
export const minimumFreeBytes = 100_000_000;

/** Where things lie in the state folder. */
export interface Home {
  readonly folder: string;
  readonly logs: string;
  /** The fronts look here for whether they may take images. */
  readonly admission: string;
  storageOf(orthanc: string): string;
}

/**
 * Makes the state folder and those in it, readable by nobody else.
 *
 * @throws UserError when it cannot be written, or its disk is full.
 */
export function prepareHome(folder: string, orthancs: readonly string[], freeBytes = minimumFreeBytes): Home {
  const home: Home = {
    folder,
    logs: join(folder, 'logs'),
    admission: join(folder, 'admission'),
    storageOf: (orthanc) => join(folder, 'orthanc', orthanc),
  };
  const probe = join(folder, `.probe-${process.pid}`);
  try {
    for (const path of [folder, home.logs, home.admission, ...orthancs.map((name) => home.storageOf(name))])
      mkdirSync(path, { recursive: true, mode: 0o700 });
    // That a folder exists says nothing about whether we may write into it.
    try {
      writeFileSync(probe, Buffer.alloc(4096), { mode: 0o600 });
    } finally {
      rmSync(probe, { force: true });
    }
  } catch (error) {
    throw new UserError(`The state folder ${folder} cannot be used: ${whyNot(error)}`, { cause: error });
  }
  const disk = statfsSync(folder);
  const free = disk.bavail * disk.bsize;
  if (free < freeBytes)
    throw new UserError(
      `The disk of the state folder ${folder} has only ${Math.floor(free / 1e6)} MB left, and ${Math.ceil(freeBytes / 1e6)} MB are needed: make room, or set DDE_HOME to a folder on another disk.`,
    );
  return home;
}
