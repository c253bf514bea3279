import { statSync } from 'node:fs';
import { realTimers, type Timers } from '../backends/timers.ts';
import { systemCode } from '../user-error.ts';
import { TopologyError } from './problems.ts';
import type { Topology } from './topology.ts';

/** Where it says what is wrong; a winston logger fits. */
export interface WatchLog {
  warn(message: string, more: Readonly<Record<string, string>>): void;
  error(message: string, more: Readonly<Record<string, string>>): void;
}

export interface TopologyWatchOptions {
  readonly file: string;
  /** The file as it was before it was read for the start. */
  readonly since: string | null;
  /** @throws TopologyError */
  readonly load: () => Topology;
  readonly onTopology: (topology: Topology) => void;
  readonly log: WatchLog;
  readonly timers?: Timers;
}

const everyMs = 1_000;

/**
 * Reads the topology anew when its file has changed, and hands it over if there is no mistake in it; otherwise says each mistake in a
 * sentence, and what was read before stays. Returns the way to end it.
 *
 * The file is looked at every second. The notices of an operating system were rejected: they do not come through the mounts of a
 * container, and end when an editor puts another file in its place. A change counts once it is the same at two looks, since a file
 * that is half written may well be a whole one without a mistake in it.
 */
export function watchTopology(options: TopologyWatchOptions): () => void {
  const { file, log } = options;
  const timers = options.timers ?? realTimers;
  let known = options.since;
  let seen = known;
  /** Why what the file says now could not be taken over; null: it could, or it has mistakes. */
  let failure: string | null = null;

  function look(): void {
    const stamp = stampOf(file);
    const isSteady = stamp === seen;
    seen = stamp;
    if (!isSteady || (stamp === known && failure === null)) return;
    known = stamp;
    if (stamp === null) failure = null;
    if (stamp === null) log.warn('the topology file is gone; what was read before stays', { file });
    else read();
  }

  function read(): void {
    try {
      options.onTopology(options.load());
      failure = null;
    } catch (error) {
      if (!(error instanceof TopologyError)) {
        const detail = error instanceof Error ? error.message : String(error);
        // Such as a full disk under the ledger, which the file knows nothing of: it is tried again at each look, and said once.
        if (detail !== failure)
          log.error('the changed topology could not be taken over; what was read before stays', {
            file,
            detail,
          });
        failure = detail;
        return;
      }
      failure = null;
      for (const { line, path, message } of error.problems) {
        const where = [line === null ? '' : `line ${line}`, path].filter((part) => part !== '').join(', ');
        log.error(
          `mistake in the topology: ${where === '' ? '' : `${where}: `}${message}; what was read before stays`,
          { file },
        );
      }
    }
  }

  return timers.every(everyMs, look);
}

/** What tells two states of a file apart; null: there is none, or it may not be looked at. */
export function stampOf(file: string): string | null {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file);
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    if (systemCode(error) === null) throw error;
    return null;
  }
}
