import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unmountBelow } from './mounts.ts';

const ROOT_VARIABLE = 'DDE_TEST_ROOT';
const ROOT_NAME = /^dde-test-(\d+)-/;

export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** Removes it with all that is in it; may be called twice. */
  remove(): Promise<void>;
}

/**
 * A new empty folder. `await using dir = await tempDir()` removes it at the end of the block; `dir.remove()` does it by
 * hand. Whatever a killed worker leaves behind goes with the run's root folder.
 */
export async function tempDir(name = 'tmp'): Promise<TempDir> {
  const path = await mkdtemp(
    join(process.env[ROOT_VARIABLE] ?? tmpdir(), `dde-test-${process.pid}-${name}-`),
  );
  // maxRetries: a process that is just dying may still be writing into it.
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 5 });
  return { path, remove, [Symbol.asyncDispose]: remove };
}

/** One root for all folders of a test run, known to the workers by an environment variable. Returns its removal. */
export function openTempRoot(): () => void {
  removeAbandonedRoots();
  const root = mkdtempSync(join(tmpdir(), `dde-test-${process.pid}-`));
  process.env[ROOT_VARIABLE] = root;
  return () => {
    delete process.env[ROOT_VARIABLE];
    unmountBelow(root);
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** Roots of test runs that were killed before they could clean up. */
function removeAbandonedRoots(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = ROOT_NAME.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) {
      unmountBelow(join(tmpdir(), name));
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
