import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, type TestOptions, test } from 'vitest';
import { unmountBelow } from './mounts.ts';
import { tempDir } from './temp.ts';

export interface SmallDisk extends AsyncDisposable {
  /** An empty folder on the disk, everybody's. */
  readonly path: string;
  /** Takes all the space there is, but for so many bytes (default 0; the disk counts in pages of 4096). */
  fill(leave?: number): void;
  /** Gives back what `fill` took. */
  free(): void;
  freeBytes(): number;
  /** Unmounts and removes it, also while files on it are open. May be called twice. */
  remove(): Promise<void>;
}

/**
 * A real disk of so many megabytes, a tmpfs, on which every write may fail with ENOSPC. Only inside `testOnSmallDisk`, which
 * sees to it that this process may mount.
 */
export async function smallDisk(megabytes: number): Promise<SmallDisk> {
  const dir = await tempDir('disk');
  const path = join(dir.path, 'mounted');
  await mkdir(path);
  const failure = mountTmpfs(path, megabytes);
  if (failure !== null) {
    await dir.remove();
    throw new Error(`no small disk: ${failure}`);
  }
  const ballast = join(path, '.ballast');
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  };
  const remove = async (): Promise<void> => {
    unmountBelow(dir.path);
    await dir.remove();
  };
  return {
    path,
    freeBytes,
    fill(leave = 0) {
      const fd = openSync(ballast, 'a');
      try {
        while (freeBytes() > leave) {
          writeSync(fd, Buffer.alloc(Math.min(1 << 20, freeBytes() - leave)));
        }
      } catch (error) {
        // Somebody else took the last page first: full is what was asked for.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      } finally {
        closeSync(fd);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    remove,
    [Symbol.asyncDispose]: remove,
  };
}

/**
 * A test that uses `smallDisk`. Where this account may not mount, the test is run once more by itself in a user and mount
 * namespace of its own, in which it may; where that is forbidden too, it is skipped, and its name says why.
 * @param file the test file, `import.meta.filename`
 */
export function testOnSmallDisk(
  file: string,
  name: string,
  options: TestOptions,
  body: () => Promise<void>,
): void {
  const access = accessToMounts();
  if (access === 'own') test(name, options, body);
  else if (access === 'namespace') test(name, options, () => againInNamespace(file, name));
  else test.skip(`${name} (skipped: ${access})`, options, () => undefined);
}

const namespace = ['--user', '--map-root-user', '--mount', '--kill-child'];
let known: string | undefined;

/** `own`, `namespace`, or why there are no small disks here. */
function accessToMounts(): string {
  known ??= findAccess();
  return known;
}

function findAccess(): string {
  const folder = mkdtempSync(join(tmpdir(), `dde-test-${process.pid}-mount-`));
  try {
    const failure = mountTmpfs(folder, 1);
    if (failure === null) {
      spawnSync('umount', ['--lazy', folder]);
      return 'own';
    }
    const tried = spawnSync('unshare', [...namespace, 'mount', ...tmpfs(folder, 1)], { encoding: 'utf8' });
    return tried.status === 0 ? 'namespace' : `this account may not mount a tmpfs (${failure})`;
  } finally {
    rmdirSync(folder);
  }
}

/** Null when it worked, else why not. */
function mountTmpfs(folder: string, megabytes: number): string | null {
  const { status, stderr, error } = spawnSync('mount', tmpfs(folder, megabytes), { encoding: 'utf8' });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

function tmpfs(folder: string, megabytes: number): string[] {
  return ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=777`, 'dde-small-disk', folder];
}

async function againInNamespace(file: string, name: string): Promise<void> {
  const root = join(import.meta.dirname, '../..');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const pattern = `^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`;
  const child = spawn(
    'unshare',
    [
      ...namespace,
      process.execPath,
      vitest,
      'run',
      '--configLoader',
      'runner',
      '--root',
      root,
      file,
      '-t',
      pattern,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (said += data.toString()));
  const [status] = await once(child, 'close');
  expect(status, said).toBe(0);
}
