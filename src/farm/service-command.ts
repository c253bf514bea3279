import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface ServiceCommand {
  /** After the path of Node itself. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * How the service is run, so that it stays small and its event loop is never held up for long:
 *
 * - a young generation of 2 × 4 MB: V8 lets it grow to many times that under load, and each collection of it then takes tens of
 *   milliseconds, in which no hook is answered; with 2 × 2 MB it is collected so often that a tenth more CPU goes into an image;
 * - a young generation that one thread collects: V8 uses as many as there are cores, and where Orthancs are at work on those the event loop
 *   waits for a helper that has none, now and then for longer than a tenth of a second. (Without any helpers, `--single-threaded-gc`,
 *   it was no cheaper, and the old generation would be marked by the event loop's own thread.)
 * - an old generation that begins small and grows by quarters: otherwise it grows to a multiple of what it holds before it is
 *   collected, and a service that needs 160 MB takes 230;
 * - one malloc arena: SQLite and the parsers allocate on several threads, and glibc never gives an arena back;
 * - a cache of compiled code: without it each start strips the types of every file anew, for which Node loads a
 *   compiler of 40 MB that stays in memory.
 */
export function serviceCommand(project: string): ServiceCommand {
  return {
    args: [
      '--max-semi-space-size=4',
      '--min-semi-space-size=4',
      '--no-parallel-scavenge',
      '--initial-old-space-size=16',
      '--heap-growing-percent=25',
      join(project, 'src', 'main.ts'),
    ],
    env: { MALLOC_ARENA_MAX: '1', NODE_COMPILE_CACHE: join(project, 'node_modules', '.cache', 'dde') },
  };
}

/** Fills the cache of compiled code, in a process of its own; a second where it is empty, a moment where it is not. */
export function warmService(project: string): void {
  const { args, env } = serviceCommand(project);
  spawnSync(process.execPath, [...args, '--version'], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
    timeout: 30_000,
  });
}
