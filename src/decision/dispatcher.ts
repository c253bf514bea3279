import type { Logger } from 'winston';
import { Stop } from '../backends/bounded.ts';
import type { BackendPool } from '../backends/pool.ts';
import { realTimers, type Timers } from '../backends/timers.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import type { Clock } from '../study.ts';
import { createLookup, type Lookup } from './lookup.ts';
import { isStale, type Outlook, outlookOf, type Waiting, worthDeciding, worthLookingUp } from './outlook.ts';
import { place } from './place.ts';
import type { Candidate, Policy } from './policy.ts';

export interface DispatcherOptions {
  readonly ledger: Pick<Ledger, 'unplaced' | 'study' | 'assignments' | 'decide' | 'addEvent'>;
  readonly pool: Pick<BackendPool, 'candidates' | 'onChange'>;
  readonly backends: ReadonlyMap<string, Pick<Orthanc, 'studyInstances'>>;
  /** Asked for each batch. */
  readonly policy: () => Policy;
  /** How long the backends are given to say whether they hold a study. */
  readonly lookupTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
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
  /** Takes up everything the ledger has unplaced, then looks again every second and whenever a backend changes. */
  start(): void;
  /** Ends lookups under way; resolves when none is left. What was not decided waits in the ledger. */
  stop(): Promise<void>;
  /** Tries again what waits or failed. Resolves when nothing more can be decided for now; never rejects. */
  tick(): Promise<void>;
}

const tickMs = 1_000;
/** Studies looked up at the same time: enough to keep backends busy, few enough to leave them threads for images. */
const lookupsAtOnce = 16;
/** Decisions on one reading of the candidates. */
const batchSize = 128;
/** A batch gives the event loop back after this long: the hook is answered in time however many studies wait. */
const sliceMs = 3;
/** More than any ledger holds; SQLite counts in 64 bits, but this is the largest number no layer in between rounds. */
const everything = 2 ** 31 - 1;

/** One copy of a study that has no assignment yet. */
interface Pending {
  readonly studyUid: string;
  readonly copy: number;
  stage: Stage;
}

type Stage =
  | { readonly kind: 'queued' } // to be looked up
  | { readonly kind: 'looking' }
  | { readonly kind: 'found'; readonly lookup: Lookup } // to be decided
  | ({ readonly kind: 'waiting' } & Waiting) // decided: nobody can take it
  | { readonly kind: 'failed' }; // the ledger would not; once more at the next tick

/**
 * Finds a backend for every study that has none: asks whether a backend holds it already, decides, keeps the decision, and
 * only then says so. The truth is the ledger; what stands here is a list of what to look at. So a crash at any point
 * costs a repetition and nothing else, and the ledger sees to it that a second decision changes nothing.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { ledger, pool, clock, log } = options;
  const timers = options.timers ?? realTimers;
  const lookup = createLookup({ backends: options.backends, timeoutMs: options.lookupTimeoutMs, clock });

  const pending = new Map<string, Pending>();
  const queued: Pending[] = [];
  const found: Pending[] = [];
  let looking = 0;
  let running = false;
  /** The ledger failed: asking it faster than once a tick frees no disk. */
  let stalled = false;
  let takenUp = false;
  let pumpPlanned = false;
  let reconsiderPlanned = false;
  let stopping = new Stop();
  let lastReason: string | null = null;
  const release: (() => void)[] = [];
  const whenIdle: (() => void)[] = [];

  function add(studyUid: string, copy: number): void {
    const key = keyOf(studyUid, copy);
    if (pending.has(key)) return;
    const one: Pending = { studyUid, copy, stage: { kind: 'queued' } };
    pending.set(key, one);
    queued.push(one);
  }

  function queue(one: Pending): void {
    one.stage = { kind: 'queued' };
    queued.push(one);
  }

  function ready(one: Pending, answer: Lookup): void {
    one.stage = { kind: 'found', lookup: answer };
    found.push(one);
  }

  function done(one: Pending): void {
    pending.delete(keyOf(one.studyUid, one.copy));
  }

  function fail(one: Pending, error: unknown): void {
    one.stage = { kind: 'failed' };
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
    if (running && !stalled && found.length > 0) decideBatch();
    while (running && !stalled && looking < lookupsAtOnce) {
      const next = queued.shift();
      if (next === undefined) break;
      void look(next);
    }
    const left = running && !stalled ? queued.length + found.length : 0;
    if (found.length > 0 && left > 0) planPump();
    if (left + looking === 0) for (const resolve of whenIdle.splice(0)) resolve();
  }

  /** Never rejects. */
  async function look(one: Pending): Promise<void> {
    const stop = stopping;
    looking++;
    one.stage = { kind: 'looking' };
    try {
      // Announced again after it was placed: not worth asking all backends.
      if (ledger.assignments(one.studyUid).some((assignment) => assignment.copy === one.copy)) done(one);
      else ready(one, await lookup(one.studyUid, stop));
    } catch (error) {
      if (stop.stopped) queue(one);
      else fail(one, error);
    } finally {
      looking--;
      planPump();
    }
  }

  function decideBatch(): void {
    const began = performance.now();
    let handled = 0;
    try {
      let candidates = pool.candidates();
      const policy = options.policy();
      const outlook = outlookOf(candidates);
      for (const one of found.slice(0, batchSize)) {
        handled++;
        candidates = decideOne(one, policy, candidates, outlook);
        if (stalled || performance.now() - began >= sliceMs) break;
      }
    } catch (error) {
      stalled = true;
      log.error('studies not placed for now', { studies: found.length, ...fault(error) });
    }
    found.splice(0, handled);
  }

  /** Gives the candidates as they are afterwards. */
  function decideOne(
    one: Pending,
    policy: Policy,
    candidates: readonly Candidate[],
    outlook: Outlook,
  ): readonly Candidate[] {
    if (one.stage.kind !== 'found') return candidates;
    const { lookup: answer } = one.stage;
    const now = clock();
    if (outlook.anyEligible && isStale(answer, now)) {
      queue(one);
      return candidates;
    }
    try {
      const outcome = place(ledger, policy, one, candidates, answer, now);
      switch (outcome.kind) {
        case 'gone':
          done(one);
          return candidates;
        case 'waiting':
          one.stage = { kind: 'waiting', at: now, lookup: answer, outlook };
          sayWaiting(outcome.reason);
          return candidates;
        case 'placed':
          done(one);
          lastReason = null;
          log.info('study placed', { study: one.studyUid, backend: outcome.backend, reason: outcome.reason });
          tell(one.studyUid, outcome.backend);
          return outcome.candidates;
      }
    } catch (error) {
      fail(one, error);
      return candidates;
    }
  }

  function tell(studyUid: string, backend: string): void {
    try {
      options.onPlaced(studyUid, backend);
    } catch (error) {
      // The assignment is kept: whoever should have heard finds its deliveries in the ledger.
      log.error('placement could not be announced', { study: studyUid, backend, ...fault(error) });
    }
  }

  /** One line for all that wait for the same reason; each study's own stands in the ledger. */
  function sayWaiting(reason: string): void {
    if (reason === lastReason) return;
    lastReason = reason;
    log.warn('studies wait', { reason });
  }

  function planReconsider(): void {
    if (reconsiderPlanned || !running) return;
    reconsiderPlanned = true;
    setImmediate(() => {
      reconsiderPlanned = false;
      if (running) reconsider();
    });
  }

  /** Brings waiting studies back to be decided, where something has changed for them. */
  function reconsider(): void {
    const now = clock();
    let seen: {
      readonly candidates: readonly Candidate[];
      readonly outlook: Outlook;
    } | null = null;
    try {
      for (const one of pending.values()) {
        if (one.stage.kind !== 'waiting') continue;
        if (seen === null) {
          const candidates = pool.candidates();
          seen = { candidates, outlook: outlookOf(candidates) };
        }
        if (!worthDeciding(one.stage, seen.outlook, now)) continue;
        const answer = one.stage.lookup;
        if (worthLookingUp(answer, seen.candidates, seen.outlook, now)) queue(one);
        else ready(one, answer);
      }
    } catch (error) {
      stalled = true;
      log.error('waiting studies not looked at for now', fault(error));
    }
    planPump();
  }

  /** At the start all; later the oldest, as a net under an announcement that was lost. */
  function takeUp(): void {
    try {
      for (const { studyUid, copy } of ledger.unplaced(takenUp ? batchSize : everything)) add(studyUid, copy);
      takenUp = true;
    } catch (error) {
      log.error('unplaced studies could not be listed', fault(error));
    }
  }

  function turn(): void {
    stalled = false;
    for (const one of pending.values()) if (one.stage.kind === 'failed') queue(one);
    takeUp();
    reconsider();
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
    start() {
      if (running) return;
      running = true;
      stopping = new Stop();
      release.push(pool.onChange(planReconsider), timers.every(tickMs, turn));
      turn();
    },
    async stop() {
      running = false;
      for (const end of release.splice(0)) end();
      stopping.stop();
      await idle();
    },
    async tick() {
      if (!running) return;
      turn();
      await idle();
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
