import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Guard } from './guard.ts';
import { type LogLimits, lastLine, openLog, rotateWhileWritten } from './log-file.ts';

/** One program of the farm. */
export interface ProgramSpec {
  /** As in the topology, or `service`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Takes standard output and error. */
  readonly logFile: string;
  readonly logLimits: LogLimits;
  /** How long it may take to end in order before it is killed. */
  readonly graceMs: number;
}

/** Waits double from `firstMs` to `maxMs`; a run of `wellMs` or more begins anew. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly wellMs: number;
}

export const defaultBackoff: Backoff = { firstMs: 500, maxMs: 30_000, wellMs: 20_000 };

/** An end that nobody asked for. */
export interface Death {
  /** Such as `exit code 1`, `killed by SIGKILL`. */
  readonly cause: string;
  readonly ranMs: number;
  /** Deaths in a row, this one included, without a run of `wellMs` between. */
  readonly inARow: number;
  readonly restartInMs: number;
  /** The last it wrote in this run; may be empty. */
  readonly lastLine: string;
}

export interface SupervisorEvents {
  started(pid: number): void;
  died(death: Death): void;
  /** Its log is large and could not be put aside; said once, until it could. */
  logStuck(reason: string): void;
}

/** A program that writes a hundred megabytes a second has other troubles. */
const lookAtLogMs = 5_000;

export interface Supervised {
  readonly name: string;
  /** Null while it is not running. */
  readonly pid: number | null;
  start(): void;
  /** Asks it to end, kills it after the grace time; done when it is gone. It is not started again. */
  stop(): Promise<void>;
  /** Kills it now. It is not started again. */
  kill(): void;
  /** Another command or environment, from its next start on: that it runs now changes nothing. */
  goBy(next: ProgramSpec): void;
}

/**
 * Keeps one program running: whenever it ends without having been asked to, it is started again after a wait.
 *
 * It gets a session of its own, so that Ctrl-C in the terminal reaches only us and the farm can be stopped in order; the
 * guard sees to it that it still dies with us.
 */
export function supervise(
  program: ProgramSpec,
  guard: Guard,
  events: SupervisorEvents,
  backoff: Backoff = defaultBackoff,
): Supervised {
  let spec = program;
  let child: ChildProcess | null = null;
  let ended: Promise<void> = Promise.resolve();
  let restart: NodeJS.Timeout | null = null;
  let wanted = false;
  let deathsInARow = 0;
  let logSize = 0;
  let logStuck = false;

  function lookAtLog(): void {
    try {
      if (rotateWhileWritten(spec.logFile, spec.logLimits)) logSize = 0;
      logStuck = false;
    } catch (error) {
      // Tried again at the next look; the program goes on whether its log can grow or not.
      if (!logStuck) events.logStuck(error instanceof Error ? error.message : String(error));
      logStuck = true;
    }
  }

  function run(): void {
    restart = null;
    const begun = performance.now();
    logSize = 0;
    try {
      const log = openLog(spec.logFile, spec.logLimits);
      logSize = log.size;
      try {
        const { command, args } = guard.wrap(spec.command, spec.args);
        child = spawn(command, args, {
          cwd: spec.cwd,
          env: { ...spec.env },
          detached: true,
          stdio: ['ignore', log.descriptor, log.descriptor],
        });
      } finally {
        closeSync(log.descriptor);
      }
    } catch (error) {
      // A full disk, for one: there may be room later.
      over(reasonOf(error), begun);
      return;
    }
    const running = child;
    const looking = setInterval(lookAtLog, lookAtLogMs);
    const unwatch = running.pid === undefined ? () => {} : guard.watch(running.pid);
    ended = new Promise((resolve) => {
      // A program that could not be started has an 'error' and no 'exit'.
      let isOver = false;
      const end = (cause: string): void => {
        if (isOver) return;
        isOver = true;
        clearInterval(looking);
        unwatch();
        child = null;
        resolve();
        over(cause, begun);
      };
      running.once('exit', (code, signal) =>
        end(signal === null ? `exit code ${code ?? 'unknown'}` : `killed by ${signal}`),
      );
      running.once('error', (error) => {
        if (running.pid === undefined) end(reasonOf(error));
      });
    });
    if (running.pid !== undefined) events.started(running.pid);
  }

  function over(cause: string, begun: number): void {
    if (!wanted) return;
    const ranMs = performance.now() - begun;
    deathsInARow = ranMs >= backoff.wellMs ? 1 : deathsInARow + 1;
    const restartInMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** (deathsInARow - 1));
    restart = setTimeout(run, restartInMs);
    events.died({
      cause,
      ranMs,
      inARow: deathsInARow,
      restartInMs,
      lastLine: lastLine(spec.logFile, logSize),
    });
  }

  function unwanted(): void {
    wanted = false;
    if (restart !== null) clearTimeout(restart);
    restart = null;
  }

  return {
    name: program.name,
    get pid() {
      return child?.pid ?? null;
    },
    start() {
      if (wanted) return;
      wanted = true;
      deathsInARow = 0;
      run();
    },
    async stop() {
      unwanted();
      const asked = child;
      if (asked === null) return;
      asked.kill('SIGTERM');
      const patience = setTimeout(() => killGroup(asked), spec.graceMs);
      await ended;
      clearTimeout(patience);
    },
    kill() {
      unwanted();
      if (child !== null) killGroup(child);
    },
    goBy(next) {
      spec = next;
    },
  };
}

/** With whatever it has started itself: it leads a session of its own. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // Gone in this very moment.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function reasonOf(error: unknown): string {
  return `could not be started: ${error instanceof Error ? error.message : String(error)}`;
}
