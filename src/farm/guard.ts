import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join, sep } from 'node:path';

/** How a child learns that we have gone without a word (`kill -9`, out of memory). */
export type GuardKind = 'setpriv' | 'watchdog';

export interface Guard {
  /** What to start instead, so that it dies with us. */
  wrap(
    command: string,
    args: readonly string[],
  ): { readonly command: string; readonly args: readonly string[] };
  /** To be called for each child that was started; returns what to call when it has ended. */
  watch(pid: number): () => void;
}

/**
 * Linux kills a child with its parent when the child has asked for it, which `setpriv` of util-linux does. Elsewhere a shell
 * beside each child waits for the end of a pipe that only we hold open, and then kills.
 *
 * SIGKILL and not SIGTERM: an Orthanc that has hung would otherwise keep its ports for ever and the next start could not be.
 * What an Orthanc has acknowledged it has committed.
 */
export function createGuard(
  kind: GuardKind = findProgram('setpriv') === null ? 'watchdog' : 'setpriv',
): Guard {
  if (kind === 'setpriv') {
    return {
      wrap: (command, args) => ({
        command: 'setpriv',
        args: ['--pdeathsig', 'KILL', '--', command, ...args],
      }),
      watch: () => () => {},
    };
  }
  return {
    wrap: (command, args) => ({ command, args }),
    watch(pid) {
      // `read` fails at the end of the pipe; a line means that the child has ended by itself and its number may be another's.
      const script = 'read -r line || kill -KILL "-$1"';
      const watchdog: ChildProcess = spawn('/bin/sh', ['-c', script, 'watchdog', String(pid)], {
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      watchdog.unref();
      // Killed by somebody: then the child is unguarded, but the farm works.
      watchdog.on('error', () => {});
      watchdog.stdin?.on('error', () => {});
      return () => void watchdog.stdin?.end('ended\n');
    },
  };
}

/** Full path of a program, or null. Debian keeps Orthanc in /usr/sbin, which is not in an ordinary user's PATH. */
export function findProgram(name: string, path: string = process.env['PATH'] ?? ''): string | null {
  const folders = [...path.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'].filter(
    (folder) => folder !== '',
  );
  const candidates = name.includes(sep) ? [name] : folders.map((folder) => join(folder, name));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Whatever the reason, it is not one we could run.
    return false;
  }
}
