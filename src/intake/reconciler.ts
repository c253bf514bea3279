import { breather } from '../breather.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import { type Scheduled, schedule } from '../schedule.ts';
import type { Clock, EpochMs } from '../study.ts';

export interface ReconcilerDeps {
  readonly ledger: Ledger;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** These studies have news: place them, send for them. */
  readonly onStudies: (studyUids: ReadonlySet<string>) => void;
}

export interface Findings {
  readonly front: string;
  /** Stood on the front, and the ledger did not know. */
  readonly takenUp: number;
  /** Gone from the front after their receipt. */
  readonly removed: number;
  /** Gone from the front without a receipt: deleted there by somebody else. */
  readonly vanished: number;
}

export interface FrontState {
  readonly front: string;
  readonly reachable: boolean;
  readonly reason: string | null;
  readonly since: EpochMs;
}

export interface Reconciler {
  /**
   * Compares one front with the ledger now. With `patient` what is not announced is taken up only when it was already seen
   * the time before, since its announcement may simply be on its way.
   */
  reconcile(front: string, patient: boolean): Promise<Findings | null>;
  reconcileAll(patient: boolean): Promise<readonly Findings[]>;
  /** Whether each front answered when it was last asked. */
  frontStates(): readonly FrontState[];
  start(expression: string): void;
  stop(): Promise<void>;
}

/** Ids described in one go: bounds the memory of a take-up of 100,000 instances. */
const describeAtATime = 500;
/** Of a front that nobody has asked since the start. */
const unasked = 'not asked yet';
/** Ids looked at in one go: some tenths of a millisecond. */
const idsAtATime = 500;
/**
 * A front that takes T to list what it holds is not listed again before 20 T: at most a twentieth of its time goes into this.
 * Not after a failure: how long a time-out took says nothing about it, and minutes would pass before it is seen to be back.
 */
const restFactor = 20;

/**
 * What stands on the front is the truth, and the hook only an announcement: Orthanc forgets pending announcements
 * when it is killed, and drops one whose Lua failed. So the two are compared at start and again and again.
 */
export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { ledger, clock, log, metrics } = deps;
  const running = new Map<string, Promise<Findings | null>>();
  const seenBefore = new Map<string, ReadonlySet<string>>();
  const notBefore = new Map<string, EpochMs>();
  /** One comparison that was slow, because the network stalled or much was to be taken up, does not put off the next. */
  const tookBefore = new Map<string, number>();
  const states = new Map<string, FrontState>(
    [...deps.fronts.keys()].map((front) => [
      front,
      { front, reachable: false, reason: unasked, since: clock() },
    ]),
  );
  let task: Scheduled | null = null;
  let stopped = false;

  async function compare(front: string, orthanc: Orthanc, patient: boolean): Promise<Findings> {
    // The ledger first, the front second: what is in the first and not in the second has left the front in between or before.
    const known = await standing(front);
    const unexpected: string[] = [];
    // As it comes, and what is known is struck off: neither the list nor a set of it is ever held as a whole.
    await orthanc.instanceIds((ids) => {
      for (const id of ids) if (!known.delete(id)) unexpected.push(id);
    });
    reachable(front, null);
    const absent = await forgetAbsent(front, orthanc, [...known]);

    // What came while the front made its list is in the ledger by now.
    const unknown = await unannounced(front, unexpected);
    const before = seenBefore.get(front);
    const due = patient ? unknown.filter((id) => before?.has(id) === true) : unknown;
    seenBefore.set(front, new Set(unknown));
    const takenUp = await takeUp(front, orthanc, due);
    return { front, takenUp, removed: absent.removed, vanished: absent.vanished };
  }

  /** Read in pieces: what comes or goes meanwhile is asked about once more before anything is concluded from it. */
  async function standing(front: string): Promise<Set<string>> {
    const known = new Set<string>();
    const breathe = breather();
    for (let after: string | undefined = ''; after !== undefined && !stopped; ) {
      const some: readonly string[] = ledger.standingAfter(front, after, idsAtATime);
      for (const id of some) known.add(id);
      after = some.length < idsAtATime ? undefined : some.at(-1);
      await breathe();
    }
    return known;
  }

  async function unannounced(front: string, ids: readonly string[]): Promise<readonly string[]> {
    const unknown: string[] = [];
    const breathe = breather();
    for (let from = 0; from < ids.length; from += idsAtATime) {
      const part = ids.slice(from, from + idsAtATime);
      const there = ledger.standingAmong(front, part);
      for (const id of part) if (!there.has(id)) unknown.push(id);
      await breathe();
    }
    return unknown;
  }

  async function forgetAbsent(
    front: string,
    orthanc: Orthanc,
    ids: readonly string[],
  ): Promise<{ removed: number; vanished: number }> {
    let removed = 0;
    let vanished = 0;
    for (let from = 0; from < ids.length; from += describeAtATime) {
      const part = ids.slice(from, from + describeAtATime);
      // Asked once more by id: it may have been removed and sent again while the list was on its way.
      const back = await orthanc.sizes(part);
      const result = ledger.absent(
        front,
        part.filter((id) => !back.has(id)),
        clock(),
      );
      removed += result.removed;
      vanished += result.vanished;
      for (const study of result.studies) {
        log.warn(
          'instances of a study are gone from the front without a receipt: somebody deleted them there',
          {
            front,
            study,
          },
        );
      }
    }
    return { removed, vanished };
  }

  async function takeUp(front: string, orthanc: Orthanc, ids: readonly string[]): Promise<number> {
    let takenUp = 0;
    for (let from = 0; from < ids.length && !stopped; from += describeAtATime) {
      const described = await orthanc.describe(ids.slice(from, from + describeAtATime));
      const arrivals = described.map((arrival) => ({ ...arrival, front }));
      ledger.receivedMany(arrivals, clock());
      deps.onStudies(new Set(arrivals.map((arrival) => arrival.studyUid)));
      takenUp += arrivals.length;
    }
    return takenUp;
  }

  function reachable(front: string, reason: string | null): void {
    const before = states.get(front);
    const now = reason === null;
    if (before !== undefined && before.reachable === now && before.reason === reason) return;
    const changed = before === undefined || before.reachable !== now;
    states.set(front, { front, reachable: now, reason, since: changed ? clock() : before.since });
    if (now) log.info('front answers', { front });
    else if (changed || before.reason === unasked) log.warn('front does not answer', { front, reason });
  }

  async function once(front: string, patient: boolean): Promise<Findings | null> {
    const orthanc = deps.fronts.get(front);
    if (orthanc === undefined || stopped) return null;
    const started = performance.now();
    try {
      // After an outage nothing is on its way any more that could be waited for.
      const wasAway = states.get(front)?.reachable !== true;
      // At the start, when nobody knows yet: that it answers need not wait for a comparison of all that stands there.
      if (states.get(front)?.reason === unasked) {
        await orthanc.countInstances();
        reachable(front, null);
      }
      const findings = await compare(front, orthanc, patient && !wasAway);
      const took = performance.now() - started;
      notBefore.set(front, clock() + Math.min(took, tookBefore.get(front) ?? 0) * restFactor);
      tookBefore.set(front, took);
      metrics.reconcileFindings.inc({ front, finding: 'unannounced' }, findings.takenUp);
      metrics.reconcileFindings.inc({ front, finding: 'vanished' }, findings.vanished);
      if (findings.takenUp + findings.vanished > 0) log.info('front reconciled', { ...findings });
      return findings;
    } catch (error) {
      tookBefore.delete(front);
      if (error instanceof OrthancError) reachable(front, error.message);
      else if (error instanceof LedgerError) {
        log.error('ledger failed; the front is compared again later', {
          front,
          code: error.code,
          detail: error.message,
        });
      } else throw error;
      return null;
    } finally {
      metrics.reconcileSeconds.observe({ front }, (performance.now() - started) / 1000);
    }
  }

  /** One comparison of a front at a time; who asks meanwhile gets the next one, so that it saw everything up to the call. */
  async function reconcile(front: string, patient: boolean): Promise<Findings | null> {
    const current = running.get(front);
    if (current !== undefined) await current.catch(() => undefined);
    const next = running.get(front);
    if (next !== undefined && next !== current) return next;
    const promise = once(front, patient).finally(() => {
      if (running.get(front) === promise) running.delete(front);
    });
    running.set(front, promise);
    return promise;
  }

  async function reconcileAll(patient: boolean): Promise<readonly Findings[]> {
    const all = await Promise.all([...deps.fronts.keys()].map((front) => reconcile(front, patient)));
    return all.filter((findings) => findings !== null);
  }

  async function scheduled(): Promise<void> {
    const due = [...deps.fronts.keys()].filter(
      (front) => !running.has(front) && (notBefore.get(front) ?? 0) <= clock(),
    );
    await Promise.all(due.map((front) => reconcile(front, true)));
  }

  return {
    reconcile,
    reconcileAll,
    frontStates: () => [...states.values()],
    start(expression) {
      task = schedule('reconciling', expression, scheduled, log);
    },
    async stop() {
      stopped = true;
      await task?.stop();
      await Promise.allSettled(running.values());
    },
  };
}
