import { setImmediate } from 'node:timers/promises';
import { troubleOf } from '../backends/trouble.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import { type Logger, studiesIn } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock } from '../study.ts';

export interface SettlerDeps {
  readonly ledger: Ledger;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly backends: ReadonlyMap<string, Pick<Orthanc, 'studyInstanceIds' | 'sizes'>>;
  /** Whether a backend is one of the fronts in truth: it would confirm to the front what that is to delete. Absent: none is. */
  readonly isFront?: (backend: string) => Promise<boolean>;
  readonly settleMs: number;
  /** Something that was proven is gone from its backend, and is to be delivered again. */
  readonly onDoubt: (studyUid: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface Settler {
  /** Lets the fronts go of every study that has settled by now. Calls that overlap share one sweep. */
  sweep(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

/** Studies taken together: one fsync and one request to each front for all of them. */
const studiesAtATime = 100;
/** Ids in one bulk-delete. The front holds its index for the whole call, and receives nothing meanwhile. */
const idsAtATime = 100;
/** After a front refused, it is left alone for this long. */
const pauseMs = 5000;
/**
 * So few are asked about by their own identifiers, which is one question; for the list of a study three are needed, one after the other,
 * and those are short however large it is.
 */
const fewInstances = 8;
/** Studies asked about at the same time. */
const questionsAtATime = 4;
/**
 * After a backend did not say what it holds, it is asked again after this long, or after so many times what that took: all others
 * wait with it, and one that hangs must not take most of the time.
 */
const silentMs = 2000;
const silentTimes = 4;
/**
 * A backend that says it holds an image when asked for its MD5, and not when asked here, would be sent to and asked
 * again and again: nothing the first time, which is most likely a true loss, then 2 s, doubled each time, to 5 min.
 */
const pauseAfter = (times: number): number =>
  times < 2 ? 0 : Math.min(300_000, 1000 * 2 ** Math.min(times - 1, 20));

/** One instance that goes. */
interface Leaving {
  readonly studyUid: string;
  /** Its front's identifier. */
  readonly id: string;
}

const idsOf = (leaving: readonly Leaving[]): string[] => leaving.map(({ id }) => id);

/**
 * Removal from the front, the only place where anything settled is deleted there. The order is what matters: the study has had no
 * news for the settle time; each instance has its receipts; its backends have just said that they hold it still, since one may
 * have been wiped meanwhile; that they are being removed is committed and on disk; only then is the front asked. Dying anywhere
 * in between leaves rows that say `removing`, which the next start looks at again.
 */
export function createSettler(deps: SettlerDeps): Settler {
  const { ledger, fronts, clock, log, metrics } = deps;
  const pausedUntil = new Map<string, number>();
  /** Backends that did not answer, and until when they are not asked again. */
  const silentUntil = new Map<string, number>();
  /** Studies of those, and until when they are passed over: they would take the places of all others. */
  const passedOver = new Map<string, number>();
  /** How often each study was doubted since its backends last confirmed it. */
  const doubts = new Map<string, number>();
  const abort = new AbortController();
  const unwritten: (() => void)[] = [];
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;

  /**
   * Writes what became of a removal. A ledger that cannot take it now, on a full disk for one, is asked again at the next
   * sweep: otherwise the instances would stand as `removing` until the next start.
   */
  function write(what: () => void): void {
    try {
      what();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      unwritten.push(what);
      log.error('the end of a removal could not be written', { code: error.code, detail: error.message });
    }
  }

  async function sweepOnce(): Promise<void> {
    for (const what of unwritten.splice(0)) write(what);
    for (;;) {
      const before = clock() - deps.settleMs;
      for (const [studyUid, until] of passedOver) if (until <= clock()) passedOver.delete(studyUid);
      const settled = ledger.settled(before, studiesAtATime + passedOver.size);
      const studies = settled.filter((studyUid) => !passedOver.has(studyUid)).slice(0, studiesAtATime);
      const confirmed = await confirm(studies);
      const perFront = new Map<string, Leaving[]>();
      try {
        await beginRemovals(confirmed, before, perFront);
        // Most sweeps find nothing: each would cost a sync of the disk, several times a second.
        if (!stopped && perFront.size > 0) await ledger.durable();
      } catch (error) {
        giveBack(perFront);
        throw error;
      }
      if (stopped) {
        giveBack(perFront);
        return;
      }
      if (perFront.size === 0 && studies.length < studiesAtATime) return;
      const all = await Promise.all([...perFront].map(([front, leaving]) => remove(front, leaving)));
      // A front that refuses would be asked again at once, and for ever, by going on here.
      if (stopped || studies.length < studiesAtATime || all.includes(false)) return;
    }
  }

  /** What is being removed is in `perFront` also when the ledger fails in the middle: somebody must take it back. */
  async function beginRemovals(
    confirmed: ReadonlyMap<string, ReadonlySet<string>>,
    before: number,
    perFront: Map<string, Leaving[]>,
  ): Promise<void> {
    for (const [studyUid, ids] of confirmed) {
      for (const part of ledger.beginRemoval(studyUid, before, clock())) {
        const unasked = part.orthancIds.filter((id) => !ids.has(id));
        if (unasked.length > 0) write(() => ledger.removalFailed(part.front, unasked, clock()));
        const leaving = perFront.get(part.front) ?? [];
        for (const id of part.orthancIds) if (ids.has(id)) leaving.push({ studyUid, id });
        perFront.set(part.front, leaving);
      }
      // Between two studies a hook may be answered.
      await setImmediate();
    }
  }

  /** Asks the backends of each; what is confirmed of a study by all of them may go. */
  async function confirm(studies: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const confirmed = new Map<string, ReadonlySet<string>>();
    const next = studies.values();
    const asker = async (): Promise<void> => {
      for (const studyUid of next) {
        if (stopped) return;
        const ids = await stillHeld(studyUid);
        if (ids === null) passedOver.set(studyUid, clock() + silentMs);
        else if (ids.size > 0) {
          confirmed.set(studyUid, ids);
          doubts.delete(studyUid);
        } else if (doubts.has(studyUid)) {
          passedOver.set(studyUid, clock() + pauseAfter(doubts.get(studyUid) ?? 1));
        }
      }
    };
    await Promise.all(Array.from({ length: questionsAtATime }, asker));
    return confirmed;
  }

  /** The proven instances of the study, when all its backends hold all of theirs; none when some must be sent again; null: not known now. */
  async function stillHeld(studyUid: string): Promise<ReadonlySet<string> | null> {
    const leaving = ledger.leaving(studyUid);
    let doubted = 0;
    for (const [name, ids] of leaving) {
      const held = await heldBy(name, studyUid, ids);
      if (held === null) return null;
      const missing = ids.filter((id) => !held.has(id));
      if (missing.length === 0) continue;
      // Bound anew while it was asked: what it deleted since is no loss.
      if (!ledger.leaving(studyUid).has(name)) return null;
      log.warn('a backend lost what it was proven to hold', {
        study: studyUid,
        backend: name,
        instances: missing.length,
      });
      doubted += ledger.doubt(studyUid, missing, name, clock());
    }
    if (doubted === 0) return new Set([...leaving.values()].flat());
    doubts.set(studyUid, (doubts.get(studyUid) ?? 0) + 1);
    deps.onDoubt(studyUid);
    return new Set();
  }

  /** Null: it did not say. */
  async function heldBy(
    name: string,
    studyUid: string,
    ids: readonly string[],
  ): Promise<ReadonlySet<string> | null> {
    const backend = deps.backends.get(name);
    if (backend === undefined || (silentUntil.get(name) ?? 0) > clock()) return null;
    const asked = performance.now();
    if ((await deps.isFront?.(name)) === true) {
      silentUntil.set(name, clock() + silentMs);
      return null;
    }
    try {
      const options = { signal: abort.signal };
      if (ids.length <= fewInstances) return new Set((await backend.sizes(ids, options)).keys());
      return new Set(await backend.studyInstanceIds(studyUid, options));
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      silentUntil.set(name, clock() + Math.max(silentMs, silentTimes * (performance.now() - asked)));
      log.debug('studies stay on the front until their backend says what it holds', {
        backend: name,
        reason: troubleOf(error),
      });
      return null;
    }
  }

  function giveBack(perFront: ReadonlyMap<string, readonly Leaving[]>): void {
    for (const [front, leaving] of perFront)
      write(() => ledger.removalFailed(front, idsOf(leaving), clock()));
  }

  async function remove(name: string, leaving: readonly Leaving[]): Promise<boolean> {
    const front = fronts.get(name);
    if (front === undefined || (pausedUntil.get(name) ?? 0) > clock()) {
      write(() => ledger.removalFailed(name, idsOf(leaving), clock()));
      return false;
    }
    for (let from = 0; from < leaving.length; from += idsAtATime) {
      const part = leaving.slice(from, from + idsAtATime);
      try {
        await front.bulkDelete(idsOf(part));
      } catch (error) {
        if (!(error instanceof OrthancError)) throw error;
        // It may have deleted some: back to `held`, and reconciling finds what is really gone.
        write(() => ledger.removalFailed(name, idsOf(leaving.slice(from)), clock()));
        pausedUntil.set(name, clock() + pauseMs);
        metrics.removalFailures.inc({ front: name });
        log.warn('removal failed', {
          ...studiesIn(part),
          front: name,
          instances: part.length,
          code: error.code,
          detail: error.message,
        });
        return false;
      }
      write(() => ledger.removed(name, idsOf(part), clock()));
      log.debug('removed from the front', { ...studiesIn(part), front: name, instances: part.length });
    }
    return true;
  }

  function sweep(): Promise<void> {
    running ??= sweepOnce()
      .catch((error: unknown) => {
        if (!(error instanceof LedgerError)) throw error;
        log.error('ledger failed; nothing is removed', { code: error.code, detail: error.message });
      })
      .finally(() => {
        running = null;
      });
    return running;
  }

  return {
    sweep,
    start() {
      const everyMs = Math.min(1000, Math.max(50, deps.settleMs / 4));
      timer = setInterval(() => {
        sweep().catch((error: unknown) => {
          log.error('sweep failed', { detail: error instanceof Error ? error.message : String(error) });
        });
      }, everyMs);
    },
    async stop() {
      stopped = true;
      abort.abort();
      if (timer !== null) clearInterval(timer);
      await running;
    },
  };
}
