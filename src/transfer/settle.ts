import { setImmediate } from 'node:timers/promises';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock } from '../study.ts';

export interface SettlerDeps {
  readonly ledger: Ledger;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly settleMs: number;
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
 * Removal from the front, the only place where anything is deleted there. The order is what matters: the study has had no
 * news for the settle time; each instance has its receipts; that they are being removed is committed and on disk; only
 * then is the front asked. Dying anywhere in between leaves rows that say `removing`, which the next start looks at again.
 */
export function createSettler(deps: SettlerDeps): Settler {
  const { ledger, fronts, clock, log, metrics } = deps;
  const pausedUntil = new Map<string, number>();
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
      const studies = ledger.settled(before, studiesAtATime);
      const perFront = new Map<string, string[]>();
      for (const studyUid of studies) {
        for (const part of ledger.beginRemoval(studyUid, before, clock())) {
          const ids = perFront.get(part.front) ?? [];
          ids.push(...part.orthancIds);
          perFront.set(part.front, ids);
        }
        // Between two studies a hook may be answered.
        await setImmediate();
      }
      if (perFront.size === 0) return;
      try {
        await ledger.durable();
      } catch (error) {
        for (const [front, ids] of perFront) write(() => ledger.removalFailed(front, ids, clock()));
        throw error;
      }
      const all = await Promise.all([...perFront].map(([front, ids]) => remove(front, ids)));
      // A front that refuses would be asked again at once, and for ever, by going on here.
      if (stopped || studies.length < studiesAtATime || all.includes(false)) return;
    }
  }

  async function remove(name: string, ids: readonly string[]): Promise<boolean> {
    const front = fronts.get(name);
    if (front === undefined || (pausedUntil.get(name) ?? 0) > clock()) {
      write(() => ledger.removalFailed(name, ids, clock()));
      return false;
    }
    for (let from = 0; from < ids.length; from += idsAtATime) {
      const part = ids.slice(from, from + idsAtATime);
      try {
        await front.bulkDelete(part);
      } catch (error) {
        if (!(error instanceof OrthancError)) throw error;
        // It may have deleted some: back to `held`, and reconciling finds what is really gone.
        write(() => ledger.removalFailed(name, ids.slice(from), clock()));
        pausedUntil.set(name, clock() + pauseMs);
        metrics.removalFailures.inc({ front: name });
        log.warn('removal failed', {
          front: name,
          instances: part.length,
          code: error.code,
          detail: error.message,
        });
        return false;
      }
      write(() => ledger.removed(name, part, clock()));
      log.debug('removed from the front', { front: name, instances: part.length });
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
      if (timer !== null) clearInterval(timer);
      await running;
    },
  };
}
