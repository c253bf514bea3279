import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'winston';
import type { HistoryLedger, LoadSample } from '../ledger/ledger.ts';
import { LedgerError } from '../ledger/ledger.ts';
import type { LoadReading, Orthanc } from '../orthanc/orthanc.ts';
import type { Clock, EpochMs, Health } from '../study.ts';
import { bounded, Stop } from './bounded.ts';
import { type HealthState, observe, unheard } from './health.ts';
import type { BackendPool } from './pool.ts';
import { realTimers, type Timers } from './timers.ts';
import { troubleOf } from './trouble.ts';

export interface PollerOptions {
  /** Fronts and backends; those the pool names are reported to it. */
  readonly orthancs: ReadonlyMap<string, Pick<Orthanc, 'load' | 'system'>>;
  readonly pool: Pick<BackendPool, 'names' | 'observed'>;
  readonly ledger: Pick<HistoryLedger, 'addSamples'>;
  readonly sampleMs: number;
  /** Whether a backend that answers is one of the fronts in truth: then it counts as silent. Absent: none is. */
  readonly isFront?: (backend: string) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Silences in a row before an Orthanc counts as down in `states`; the pool counts for itself. Default 2. */
  readonly downAfter?: number;
  readonly timers?: Timers;
}

/** What polling says of one Orthanc. */
export interface PolledState {
  readonly health: Health;
  /** What was wrong at the last silence; null when it answered. */
  readonly reason: string | null;
  readonly since: EpochMs;
  readonly latencyMs: number | null;
  readonly version: string | null;
}

export interface Poller {
  /** Polls at once and then every `sampleMs`. */
  start(): void;
  /** Ends the polls under way; resolves when none is left. */
  stop(): Promise<void>;
  /** Polls all now; resolves when all have answered or were given up, and their samples are kept. Never rejects. */
  pollAll(): Promise<void>;
  /** Something went wrong with this one: looks at it now, unless that was done within the last second. */
  pollNow(name: string): void;
  /** These are all there are now, fronts too. One that is new, or another client, is looked at at once. */
  follow(orthancs: ReadonlyMap<string, Pick<Orthanc, 'load' | 'system'>>): void;
  /** All Orthancs, fronts too, by name. */
  states(): ReadonlyMap<string, PolledState>;
}

/** After a failed transfer each lane asks for a look; more than one a second would make two silences mean nothing. */
const leastBetweenMs = 1_000;

/**
 * Polls are begun in groups with a pause after each, since what all of them make the event loop do at once keeps hooks waiting: with 64
 * Orthancs that was 15 ms. So many in a group at least, and so many groups at most, which take a fifth of a second together, and a
 * fifth of the interval: the next round must not overtake this one.
 */
const leastInGroup = 4;
const mostGroups = 20;
const longestPauseMs = 10;

interface Polled {
  readonly orthanc: Pick<Orthanc, 'load' | 'system'>;
  readonly isBackend: boolean;
  health: HealthState;
  reason: string | null;
  latencyMs: number | null;
  version: string | null;
  startedAt: EpochMs;
  underWay: Promise<LoadSample> | null;
}

/**
 * Asks every Orthanc for its load, all within a fifth of a second or of the interval, each with a limit below the interval: a slow one delays nobody, and
 * is never asked twice at once. Health is told to the pool the moment an answer comes; the samples of a round go to
 * the ledger together. A sample that cannot be kept is lost, and said so: it is history, not work.
 */
export function createPoller(options: PollerOptions): Poller {
  const { pool, ledger, sampleMs, clock, log } = options;
  const timers = options.timers ?? realTimers;
  const downAfter = options.downAfter ?? 2;
  const limitMs = Math.max(1, Math.floor(sampleMs * 0.8));
  const groupPauseMs = Math.min(longestPauseMs, sampleMs / 5 / mostGroups);
  const polled = new Map<string, Polled>();
  addAll(options.orthancs);
  let stopping = new Stop();
  let stopTimer: (() => void) | null = null;
  const rounds = new Set<Promise<void>>();

  /** Returns the names of those that were not there, or were another. */
  function addAll(orthancs: PollerOptions['orthancs']): readonly string[] {
    const backends = new Set(pool.names());
    const added = [...orthancs].filter(([name, orthanc]) => polled.get(name)?.orthanc !== orthanc);
    for (const [name, orthanc] of added) {
      polled.set(name, {
        orthanc,
        isBackend: backends.has(name),
        health: unheard(clock()),
        reason: null,
        latencyMs: null,
        version: null,
        startedAt: Number.NEGATIVE_INFINITY,
        underWay: null,
      });
    }
    return added.map(([name]) => name);
  }

  /** An answer of one that has left, or has moved to another address meanwhile, says nothing about who is there now. */
  function isCurrent(name: string, one: Polled): boolean {
    return polled.get(name) === one;
  }

  async function ask(name: string, one: Polled): Promise<LoadSample> {
    const began = performance.now();
    const at = clock();
    one.startedAt = at;
    try {
      const reading = await bounded(
        limitMs,
        (signal) => one.orthanc.load({ signal, timeoutMs: limitMs }),
        stopping,
      );
      if (one.isBackend && (await options.isFront?.(name)) === true) {
        missed(name, one, at, 'it is one of the fronts, under another address');
        return { orthanc: name, at, up: false, ...noReading };
      }
      heard(name, one, at, reading);
      if (one.version === null) await learnVersion(name, one, at, limitMs - (performance.now() - began));
      return { orthanc: name, at, up: true, ...reading };
    } catch (error) {
      // A poll that was ended by our own stop says nothing about the Orthanc.
      if (!stopping.stopped) missed(name, one, at, troubleOf(error));
      return { orthanc: name, at, up: false, ...noReading };
    }
  }

  function heard(name: string, one: Polled, at: EpochMs, reading: LoadReading): void {
    one.health = observe(one.health, { at, up: true, reason: null }, downAfter);
    one.reason = null;
    one.latencyMs = reading.latencyMs;
    if (!one.isBackend || !isCurrent(name, one)) return;
    const { latencyMs, instances, diskBytes } = reading;
    pool.observed(name, { at, up: true, reason: null, latencyMs, instances, diskBytes });
  }

  function missed(name: string, one: Polled, at: EpochMs, reason: string): void {
    const before = one.health.kind;
    one.health = observe(one.health, { at, up: false, reason }, downAfter);
    one.reason = reason;
    one.latencyMs = null;
    // It may come back as another version.
    one.version = null;
    if (!isCurrent(name, one)) return;
    if (one.isBackend) pool.observed(name, { at, up: false, reason, latencyMs: null });
    else if (one.health.kind !== before) log.warn('front is down', { front: name, reason });
  }

  /** Only for people, so a failure costs nothing: it is asked for again with the next poll. */
  async function learnVersion(name: string, one: Polled, at: EpochMs, leftMs: number): Promise<void> {
    const timeoutMs = Math.max(1, Math.floor(leftMs));
    try {
      const { version } = await bounded(
        timeoutMs,
        (signal) => one.orthanc.system({ signal, timeoutMs }),
        stopping,
      );
      one.version = version;
      log.info('Orthanc answers', { orthanc: name, version });
      if (one.isBackend && isCurrent(name, one))
        pool.observed(name, { at, up: true, reason: null, latencyMs: one.latencyMs, version });
    } catch (error) {
      log.debug('version not learnt', { orthanc: name, detail: troubleOf(error) });
    }
  }

  /** Polls those that are not being polled; of the others it only waits for the end, since their samples belong to another round. */
  async function round(names: readonly string[]): Promise<void> {
    const own: Promise<LoadSample>[] = [];
    const others: Promise<LoadSample>[] = [];
    const inGroup = Math.max(leastInGroup, Math.ceil(names.length / mostGroups));
    for (const [place, name] of names.entries()) {
      if (place > 0 && place % inGroup === 0) await pause(groupPauseMs);
      if (stopping.stopped) break;
      const one = polled.get(name);
      if (one === undefined) continue;
      if (one.underWay !== null) {
        others.push(one.underWay);
        continue;
      }
      const asking = ask(name, one).finally(() => {
        one.underWay = null;
      });
      one.underWay = asking;
      own.push(asking);
    }
    const samples = await Promise.all(own);
    if (!stopping.stopped && samples.length > 0) keep(samples);
    await Promise.all(others);
  }

  function keep(samples: readonly LoadSample[]): void {
    try {
      ledger.addSamples(samples);
    } catch (error) {
      log.error('load samples could not be kept', {
        samples: samples.length,
        code: error instanceof LedgerError ? error.code : 'failed',
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Notes the round for `stop`. What breaks in it is a mistake in this program, and must not end the polling. */
  function run(names: readonly string[]): Promise<void> {
    const done = round(names)
      .catch((error: unknown) => {
        log.error('polling failed', { detail: String(error) });
      })
      .finally(() => {
        rounds.delete(done);
      });
    rounds.add(done);
    return done;
  }

  /** Those whose last poll has ended: what still hangs is given up by its own limit. */
  function idle(): string[] {
    return [...polled].filter(([, one]) => one.underWay === null).map(([name]) => name);
  }

  return {
    start() {
      if (stopTimer !== null) return;
      stopping = new Stop();
      stopTimer = timers.every(sampleMs, () => void run(idle()));
      void run(idle());
    },
    async stop() {
      stopTimer?.();
      stopTimer = null;
      stopping.stop();
      await Promise.all(rounds);
    },
    pollAll: () => run([...polled.keys()]),
    pollNow(name) {
      const one = polled.get(name);
      if (one === undefined || one.underWay !== null || clock() - one.startedAt < leastBetweenMs) return;
      void run([name]);
    },
    follow(orthancs) {
      for (const name of polled.keys()) if (!orthancs.has(name)) polled.delete(name);
      const added = addAll(orthancs);
      if (added.length > 0 && stopTimer !== null) void run(added);
    },
    states() {
      return new Map(
        [...polled].map(([name, one]) => [
          name,
          {
            health: one.health.kind,
            reason: one.reason,
            since: one.health.since,
            latencyMs: one.latencyMs,
            version: one.version,
          },
        ]),
      );
    },
  };
}

const noReading: Omit<LoadSample, 'orthanc' | 'at' | 'up'> = {
  latencyMs: null,
  jobsPending: null,
  jobsRunning: null,
  activeRequests: null,
  instances: null,
  diskBytes: null,
};
