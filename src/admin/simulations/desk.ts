import { randomUUID } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { realTimers, type Timers } from '../../backends/timers.ts';
import type { Logger } from '../../log.ts';
import type { SimulationJob, SimulationNews, SimulationTask } from './job.ts';

export interface Simulation {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  /** 0 to 1; 0 while it waits for its turn. */
  readonly progress: number;
  readonly error: string | null;
  /** JSON. */
  readonly result: string | null;
}

export interface SimulationDesk {
  /** Null: too many wait already. */
  start(job: SimulationJob): Simulation | null;
  /** Null: there is none, or it was so long ago that it is forgotten. */
  find(id: string): Simulation | null;
  /** Ends it where it is not over. */
  cancel(id: string): Promise<Simulation | null>;
  close(): Promise<void>;
}

const mostWaiting = 8;
/** Those that are over and remembered. */
const mostOver = 20;
/** More than any of those that come along needs; one that does is ended, and not the service. */
const memoryMb = 512;
/** The others wait meanwhile, and one that finds no end would hold them up for ever. */
const longestMs = 15 * 60_000;

interface Entry {
  readonly job: SimulationJob;
  seen: Simulation;
}

/**
 * Simulations that were asked for, each on a thread of its own that steps back behind the others, one at a time: they take a processor for
 * seconds, and the one thing that must not wait for that is the hook.
 */
export function createSimulationDesk({
  ledgerFile,
  log,
  limitMs = longestMs,
  timers = realTimers,
}: {
  /** What a day is replayed from. */
  readonly ledgerFile: string;
  readonly log: Logger;
  /** A simulation that has run for so long is ended. Default: 15 minutes. */
  readonly limitMs?: number;
  readonly timers?: Timers;
}): SimulationDesk {
  const entries = new Map<string, Entry>();
  let running: { readonly id: string; readonly worker: Worker } | null = null;
  let isClosed = false;

  function open(): Entry[] {
    return [...entries.values()].filter(({ seen }) => seen.state === 'running');
  }

  function over(entry: Entry, end: Pick<Simulation, 'state'> & Partial<Simulation>): void {
    // What has ended once has ended so: the thread's own end comes after its last word.
    if (entry.seen.state !== 'running') return;
    entry.seen = { ...entry.seen, ...end };
    const ended = [...entries.values()].filter(({ seen }) => seen.state !== 'running');
    for (const { seen } of ended.slice(0, Math.max(0, ended.length - mostOver))) entries.delete(seen.id);
  }

  function next(): void {
    if (running !== null || isClosed) return;
    const [entry] = open();
    if (entry === undefined) return;
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { job: entry.job, ledgerFile } satisfies SimulationTask,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    worker.unref();
    running = { id: entry.seen.id, worker };
    const endTimer = timers.after(limitMs, () => {
      const limit =
        limitMs >= 60_000 ? `${Math.round(limitMs / 60_000)} minutes` : `${limitMs / 1000} seconds`;
      log.warn('a simulation took too long', { seconds: limitMs / 1000 });
      over(entry, {
        state: 'failed',
        error: `It took longer than ${limit} and was ended. Ask for fewer policies or fewer repetitions (seeds), or use \`dde simulate\`, which has no limit.`,
      });
      worker
        .terminate()
        .catch((error: unknown) => log.error('a simulation does not end', { detail: String(error) }));
    });
    worker.on('message', (news: SimulationNews) => heard(entry, news));
    worker.on('error', (error) => {
      log.error('a simulation broke off', { detail: String(error) });
      over(entry, {
        state: 'failed',
        error: `It broke off: ${error instanceof Error ? error.message : String(error)}`,
      });
    });
    worker.once('exit', () => {
      endTimer();
      over(entry, { state: 'failed', error: 'It broke off.' });
      running = null;
      next();
    });
  }

  function heard(entry: Entry, news: SimulationNews): void {
    switch (news.kind) {
      case 'progress':
        if (entry.seen.state === 'running') entry.seen = { ...entry.seen, progress: news.share };
        return;
      case 'done':
        over(entry, { state: 'done', progress: 1, result: news.result });
        return;
      case 'failed':
        over(entry, { state: 'failed', error: news.message });
    }
  }

  return {
    start(job) {
      if (isClosed || open().length > mostWaiting) return null;
      const seen: Simulation = {
        id: randomUUID(),
        state: 'running',
        progress: 0,
        error: null,
        result: null,
      };
      entries.set(seen.id, { job, seen });
      next();
      return seen;
    },
    find: (id) => entries.get(id)?.seen ?? null,
    async cancel(id) {
      const entry = entries.get(id);
      if (entry === undefined) return null;
      over(entry, { state: 'cancelled' });
      if (running?.id === id) await running.worker.terminate();
      return entry.seen;
    },
    async close() {
      isClosed = true;
      for (const entry of open()) over(entry, { state: 'cancelled' });
      await running?.worker.terminate();
    },
  };
}
