import type { Logger } from 'winston';
import { Stop } from '../backends/bounded.ts';
import type { BackendPool } from '../backends/pool.ts';
import { realTimers, type Timers } from '../backends/timers.ts';
import { type Ledger, LedgerError, type UnplacedStudy } from '../ledger/ledger.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import type { Clock, ConsideredBackend, EpochMs, StudySize } from '../study.ts';
import { patienceMs } from './line-up.ts';
import { createLookup } from './lookup.ts';
import type { Policy } from './policy.ts';
import { createRounds, type RoundsOptions } from './rounds.ts';
import { type Pending, pendingOf, readAnew } from './unplaced-queue.ts';

export interface DispatcherOptions {
  readonly ledger: Pick<Ledger, 'unplaced' | 'unplacedStudy' | 'assignments' | 'decide' | 'addEvent'>;
  readonly pool: Pick<BackendPool, 'candidates' | 'onChange'>;
  readonly backends: ReadonlyMap<string, Pick<Orthanc, 'studyInstances'>>;
  /** Asked for each round. */
  readonly policy: () => Policy;
  /** How large a study is expected to be; without it, as large as what has arrived. */
  readonly expected?: (study: UnplacedStudy, now: EpochMs) => StudySize;
  /** How long the backends are given to say whether they hold a study. */
  readonly lookupTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: NonNullable<RoundsOptions['metrics']>;
  /** The study has an assignment, committed but perhaps not on disk yet: its transfers may begin. */
  readonly onPlaced: (studyUid: string, backend: string) => void;
  readonly timers?: Timers;
}

export interface Dispatcher {
  /**
   * The study has something on a front and no assignment. Never throws, does nothing before the caller's turn of the event loop is
   * over, and saying it again changes nothing.
   */
  studyWaits(studyUid: string): void;
  /** Another policy, or another order: what waits is decided again. */
  policyChanged(): void;
  /** Takes up everything the ledger has unplaced, then looks again every second and whenever a backend changes. */
  start(): void;
  /** Ends lookups under way; resolves when none is left. What was not decided waits in the ledger. */
  stop(): Promise<void>;
  /** Tries again what waits or failed. Resolves when nothing more can be decided for now; never rejects. */
  tick(): Promise<void>;
  /**
   * The backends as a decision by this policy would see them for a study that waits to be placed; null: it does not. Keeps nothing.
   * @throws LedgerError
   */
  preview(studyUid: string, policy: Policy): readonly ConsideredBackend[] | null;
}

const tickMs = 1_000;
/**
 * Studies looked up at the same time: enough to keep backends busy, few enough to leave them threads for images. On a large farm so many
 * questions together make fewer: each of them costs the service itself a twentieth of a millisecond, and with sixteen studies on a thousand
 * backends it would be too late to read the answers in time, and take every backend for one that hangs.
 */
const lookupsAtOnce = 16;
const questionsAtOnce = 2_000;
/** The oldest unplaced studies, listed again at each tick. */
const netSize = 128;
/** More than any ledger holds; SQLite counts in 64 bits, but this is the largest number no layer in between rounds. */
const everything = 2 ** 31 - 1;

/**
 * Finds a backend for every study that has none: asks whether a backend holds it already, decides, keeps the decision, and
 * only then says so. The truth is the ledger; what stands here is a list of what to look at. So a crash at any point
 * costs a repetition and nothing else, and the ledger sees to it that a second decision changes nothing.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { ledger, pool, clock, log } = options;
  const timers = options.timers ?? realTimers;
  const lookup = createLookup({ backends: options.backends, timeoutMs: options.lookupTimeoutMs, clock });
  const rounds = createRounds({
    ledger,
    pool,
    policy: options.policy,
    expected: options.expected ?? (({ instances, bytes }) => ({ instances, bytes, arrivesIn: 0 })),
    clock,
    log,
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    lookAgain,
    failed: fail,
    done: (one) => pending.delete(keyOf(one.studyUid, one.copy)),
    onPlaced: options.onPlaced,
  });

  const pending = new Map<string, Pending>();
  const queued: Pending[] = [];
  const mostLookups = Math.max(
    1,
    Math.min(lookupsAtOnce, Math.floor(questionsAtOnce / Math.max(1, options.backends.size))),
  );
  let looking = 0;
  let running = false;
  /** The ledger failed: asking it faster than once a tick frees no disk. */
  let stalled = false;
  let takenUp = false;
  let pumpPlanned = false;
  let endRest: (() => void) | null = null;
  let stopping = new Stop();
  const release: (() => void)[] = [];
  const whenIdle: (() => void)[] = [];

  function add(studyUid: string, copy: number): void {
    const key = keyOf(studyUid, copy);
    const known = pending.get(key);
    if (known !== undefined) {
      known.study = null;
      return;
    }
    const one = pendingOf(studyUid, copy);
    pending.set(key, one);
    queueUp(one);
  }

  function queueUp(one: Pending): void {
    if (one.lookingSince !== null) return;
    one.lookingSince = clock();
    queued.push(one);
  }

  /** Before it is placed. Should a backend keep it waiting for an answer, the lane it would have had goes to another one. */
  function lookAgain(one: Pending): void {
    queueUp(one);
    timers.after(patienceMs + 1, changed);
  }

  function changed(): void {
    if (!running) return;
    rounds.want();
    planPump();
  }

  function fail(one: Pending, error: unknown): void {
    one.lookingSince = null;
    one.failed = true;
    stalled = true;
    log.error('study not placed for now', { study: one.studyUid, ...fault(error) });
  }

  function planPump(): void {
    if (pumpPlanned) return;
    pumpPlanned = true;
    setImmediate(() => {
      pumpPlanned = false;
      pump();
    });
  }

  function pump(): void {
    if (running && !stalled && rounds.busy) decideSome();
    while (running && !stalled && looking < mostLookups) {
      const next = queued.shift();
      if (next === undefined) break;
      void look(next);
    }
    const isBusy = running && !stalled && rounds.busy;
    const restMs = isBusy ? rounds.restMs : 0;
    if (isBusy && restMs === 0) planPump();
    else if (isBusy) restFor(restMs);
    const isIdle = !isBusy || restMs > 0;
    const left = running && !stalled ? queued.length : 0;
    if (isIdle && left + looking === 0) for (const resolve of whenIdle.splice(0)) resolve();
  }

  function restFor(ms: number): void {
    if (endRest !== null) return;
    // By the machine's own time, whatever clock the studies go by: it is its processor that rests.
    const timer = setTimeout(() => {
      endRest = null;
      planPump();
    }, ms);
    timer.unref();
    endRest = () => clearTimeout(timer);
  }

  function decideSome(): void {
    try {
      rounds.slice();
    } catch (error) {
      rounds.drop();
      rounds.want();
      stalled = true;
      log.error('studies not placed for now', fault(error));
    }
  }

  /** Never rejects. */
  async function look(one: Pending): Promise<void> {
    const stop = stopping;
    looking++;
    try {
      // Announced again after it was placed: not worth asking all backends.
      readAnew(one, ledger, clock());
      if (one.study === null) {
        rounds.forget(one);
        pending.delete(keyOf(one.studyUid, one.copy));
      } else {
        one.lookup = await lookup(one.studyUid, stop);
        rounds.ready(one);
      }
    } catch (error) {
      one.lookingSince = null;
      rounds.forget(one);
      if (stop.stopped) queueUp(one);
      else fail(one, error);
    } finally {
      looking--;
      planPump();
    }
  }

  /** At the start all; later the oldest, as a net under an announcement that was lost. */
  function takeUp(): void {
    try {
      for (const { studyUid, copy } of ledger.unplaced(takenUp ? netSize : everything)) {
        if (!pending.has(keyOf(studyUid, copy))) add(studyUid, copy);
      }
      takenUp = true;
    } catch (error) {
      log.error('unplaced studies could not be listed', fault(error));
    }
  }

  function turn(soon: boolean): void {
    stalled = false;
    for (const one of pending.values()) {
      if (!one.failed) continue;
      one.failed = false;
      queueUp(one);
    }
    takeUp();
    rounds.want(soon);
    planPump();
  }

  function idle(): Promise<void> {
    return new Promise((resolve) => {
      whenIdle.push(resolve);
      planPump();
    });
  }

  return {
    studyWaits(studyUid) {
      add(studyUid, 0);
      planPump();
    },
    policyChanged() {
      rounds.drop();
      rounds.want(true);
      planPump();
    },
    start() {
      if (running) return;
      running = true;
      stopping = new Stop();
      release.push(
        pool.onChange(changed),
        timers.every(tickMs, () => turn(false)),
      );
      turn(true);
    },
    async stop() {
      running = false;
      for (const end of release.splice(0)) end();
      endRest?.();
      endRest = null;
      rounds.drop();
      stopping.stop();
      await idle();
    },
    async tick() {
      if (!running) return;
      turn(true);
      await idle();
    },
    preview(studyUid, policy) {
      const one = pending.get(keyOf(studyUid, 0));
      return one === undefined ? null : rounds.preview(one, policy);
    },
  };
}

function keyOf(studyUid: string, copy: number): string {
  return `${copy} ${studyUid}`;
}

function fault(error: unknown): { readonly code: string; readonly detail: string } {
  return {
    code: error instanceof LedgerError ? error.code : 'failed',
    detail: error instanceof Error ? error.message : String(error),
  };
}
