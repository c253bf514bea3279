import { realTimers, type Timers } from '../backends/timers.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';

/** A peer-store job that is waited for. */
export interface Watched {
  readonly front: Pick<Orthanc, 'name' | 'openStores'>;
  readonly peer: string;
  readonly ids: readonly string[];
  /** After so long without progress it counts as stalled. */
  readonly limitMs: number;
}

export interface StallWatch {
  /**
   * Calls `onStall`, once, when nothing has moved for the limit, and `onMove`, with the share that has arrived (0 to 1), at each look
   * that saw more of it. Returns the way to stop watching.
   */
  watch(job: Watched, onStall: () => void, onMove?: (share: number) => void): () => void;
}

interface Watching extends Watched {
  readonly onStall: () => void;
  readonly onMove: (share: number) => void;
  /** The most that was seen of its progress, in hundredths. */
  progress: number;
  /** The job as it was seen last; null: not seen running. */
  seen: string | null;
  /** Looks in a row that saw the same. */
  same: number;
  isNew: boolean;
}

/** Looking more often finds nothing sooner: a stall is only one after `stallMs`. */
const longestBetweenMs = 2_000;
const looksInALimit = 5;

/**
 * Looks at the progress of peer-store jobs, one look for all jobs of a front, and none at a transfer that ends before the second
 * look would be due: a list of jobs is long, and most transfers take less than a second.
 *
 * Looks are counted and no time is measured: a service or front that was suspended, or a clock that jumps, is not taken for a
 * backend that stalls. Nor is a front that does not answer, or a job that waits for one of the front's threads.
 */
export function createStallWatch(stallMs: number, timers: Timers = realTimers): StallWatch {
  const everyMs = Math.max(1, Math.min(longestBetweenMs, stallMs / looksInALimit));
  const fronts = new Map<string, Set<Watching>>();

  function plan(front: Watched['front'], jobs: Set<Watching>): void {
    timers.after(everyMs, () => void turn(front, jobs));
  }

  async function turn(front: Watched['front'], jobs: Set<Watching>): Promise<void> {
    await look(front, jobs);
    if (jobs.size > 0) plan(front, jobs);
    else fronts.delete(front.name);
  }

  /** Never rejects. */
  async function look(front: Watched['front'], jobs: Set<Watching>): Promise<void> {
    const due = [...jobs].filter((job) => !job.isNew);
    for (const job of jobs) job.isNew = false;
    if (due.length === 0) return;
    const open = await front.openStores({ timeoutMs: Math.max(1_000, everyMs) }).catch((error: unknown) => {
      if (!(error instanceof OrthancError)) throw error;
      return [];
    });
    for (const job of due) {
      const own = open.filter((one) => one.running && carries(one, job));
      const now = own.map((one) => `${one.id} ${one.progress}`);
      const progress = Math.max(0, ...own.map((one) => one.progress));
      if (progress > job.progress) {
        job.progress = progress;
        job.onMove(progress / 100);
      }
      const state = now.length === 0 ? null : now.toSorted().join(' ');
      job.same = state !== null && state === job.seen ? job.same + 1 : 0;
      job.seen = state;
      if (job.same * everyMs >= job.limitMs && jobs.delete(job)) job.onStall();
    }
  }

  return {
    watch(job, onStall, onMove = () => undefined) {
      const watching: Watching = { ...job, onStall, onMove, progress: 0, seen: null, same: 0, isNew: true };
      const known = fronts.get(job.front.name);
      const jobs = known ?? new Set();
      jobs.add(watching);
      if (known === undefined) {
        fronts.set(job.front.name, jobs);
        plan(job.front, jobs);
      }
      return () => {
        jobs.delete(watching);
      };
    },
  };
}

/** An earlier job with the same instances may still be open. Should it be taken for this one, its end counts as progress, once. */
function carries(
  open: { readonly peer: string | null; readonly instances: readonly string[] },
  job: Watched,
): boolean {
  if (open.peer !== null && open.peer !== job.peer) return false;
  const ids = new Set(open.instances);
  return ids.size === job.ids.length && job.ids.every((id) => ids.has(id));
}
