import { setTimeout as pause } from 'node:timers/promises';
import type { BackendPool } from '../backends/pool.ts';
import { type ClaimLimits, type Ledger, LedgerError } from '../ledger/ledger.ts';
import { type Logger, studiesIn } from '../log.ts';
import type { Clock, EpochMs, Transfer } from '../study.ts';
import type { FrontRest } from './front-rest.ts';
import { type Emptied, gatherFor } from './gather.ts';
import { retry, totalBytes } from './outcome.ts';

export interface LanesDeps {
  readonly ledger: Ledger;
  readonly pool: BackendPool;
  readonly frontRest: FrontRest;
  readonly limits: ClaimLimits;
  /** While images keep coming, transfers to a backend begin at least so far apart, unless they are full; milliseconds. See `gatherFor`. */
  readonly gatherMs: number;
  readonly carry: (transfer: Transfer, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Lanes {
  /** Called before each claim for a backend: what is ready and not in its queue yet can be put there now. Must be quick, and not throw. */
  beforeClaim(listener: (backend: string) => void): void;
  /** There may be something to send to this backend, or a lane may be free. Cheap; calls within one turn of the event loop are one. */
  wake(backend: string): void;
  wakeAll(): void;
  /** Transfers under way. */
  readonly busy: number;
  /**
   * Starts nothing more, and waits for what is under way, `graceMs` at most; then gives up on it. What was given up is
   * asked for at the next start.
   */
  stop(graceMs: number): Promise<void>;
}

/** Pause after the ledger itself failed: it may be a full disk, and asking faster frees nothing. */
const ledgerPauseMs = 1000;
/** While a front rests and something of it waits, it is looked for again this often: another front's may have come due. */
const restingMs = 250;
/**
 * All backends are looked at this often in any case. Deliveries also come into the queue where nobody sends for them, such as when a
 * removal fails after its study was bound anew; each of those ways would have to tell the lanes, and the one forgotten waits for ever.
 */
const netMs = 2_000;

/**
 * Once so many transfers were begun, other backends have their turn in the next turn of the event loop: each takes about a millisecond, and
 * with many backends hooks would wait for all of them. Not fewer: what begins together shares a sync of the disk. Counted, since by the clock
 * no run would be like another.
 */
const beganATurn = 8;

/**
 * Keeps `lanes` transfers under way to each backend. The first image after a pause leaves at once. What comes right behind it gathers for a
 * moment and goes together, for a transfer costs as much as several images, whatever is in it: taken one by one, as fast as they
 * came, images cost twice the CPU. Where more waits than one transfer takes, nothing is gathered. (A delay before every transfer was
 * rejected: it slows the single image. Gathering only while all lanes are busy was what there had been: lanes that are quick
 * enough take every image by itself.)
 */
export function createLanes(deps: LanesDeps): Lanes {
  const { ledger, pool, frontRest, clock, log } = deps;
  const underWay = new Set<Promise<void>>();
  /** Transfers under way, by backend, with something that was tried before. */
  const retries = new Map<string, number>();
  const woken = new Set<string>();
  let isFillDue = false;
  const alarms = new Map<string, NodeJS.Timeout>();
  /** The last transfer to each backend, where it left nothing waiting. */
  const emptied = new Map<string, Emptied>();
  const busy = new Map<string, number>();
  const abort = new AbortController();
  const stopping = new AbortController();
  let beforeClaim: (backend: string) => void = () => undefined;
  let stopped = false;

  const net = setInterval(wakeAll, netMs);
  net.unref();

  function wakeAll(): void {
    for (const name of pool.names()) wake(name);
  }

  function wake(backend: string): void {
    if (stopped) return;
    woken.add(backend);
    fillSoon();
  }

  function fillSoon(): void {
    if (isFillDue || woken.size === 0) return;
    isFillDue = true;
    setImmediate(fillWoken);
  }

  function fillWoken(): void {
    isFillDue = false;
    let began = 0;
    // What one of them wakes has the next turn.
    const all = [...woken];
    for (const backend of all) {
      woken.delete(backend);
      began += fill(backend);
      if (began >= beganATurn) break;
    }
    fillSoon();
  }

  /** How many transfers it began. */
  function fill(backend: string): number {
    let began = 0;
    while (!stopped && pool.freeLanes(backend) > 0) {
      const now = clock();
      const sendable = pool.sendable(backend, now);
      if (!sendable.ok) {
        if (sendable.until !== null) alarm(backend, sendable.until);
        return began;
      }
      const last = emptied.get(backend);
      if (last !== undefined) {
        const until = last.at + gatherFor(last, deps.gatherMs, (busy.get(backend) ?? 0) > 0);
        // Earlier than its beginning: the clock was set back.
        if (now >= last.at && now < until) {
          alarm(backend, until);
          return began;
        }
      }
      beforeClaim(backend);
      try {
        const resting = frontRest.resting(now);
        // Also when nothing new waits yet: it would find all lanes taken when it comes.
        const untriedOnly = (retries.get(backend) ?? 0) >= pool.lanesForRetries(backend);
        const transfer = ledger.claim(backend, { ...deps.limits, untriedOnly }, now, resting);
        if (transfer === null) {
          pool.nothingToSend(backend);
          // What is ready waits for one of those lanes, and is looked for when it is free.
          if (untriedOnly) return began;
          const next = ledger.nextAttemptAt(backend);
          if (next !== null) alarm(backend, resting.size > 0 ? Math.max(next, now + restingMs) : next);
          return began;
        }
        if (transfer.leavesSome) emptied.delete(backend);
        else {
          const afterMs = last === undefined ? null : now - last.at;
          emptied.set(backend, { at: now, instances: transfer.deliveries.length, afterMs });
        }
        run(transfer);
        began++;
      } catch (error) {
        if (!(error instanceof LedgerError)) throw error;
        log.error('ledger failed; transfers pause', { backend, code: error.code, detail: error.message });
        alarm(backend, now + ledgerPauseMs);
        return began;
      }
    }
    return began;
  }

  function run(transfer: Transfer): void {
    const { backend } = transfer;
    const isRetry = transfer.deliveries.some((delivery) => delivery.attempts > 0);
    count(busy, backend, 1);
    if (isRetry) count(retries, backend, 1);
    pool.laneTaken(backend, {
      transfer: transfer.id,
      instances: transfer.deliveries.length,
      bytes: totalBytes(transfer.deliveries),
      startedAt: transfer.startedAt,
    });
    frontRest.began(transfer.front);
    const done = deps
      .carry(transfer, abort.signal)
      .catch((error: unknown) => giveBack(transfer, error))
      .finally(() => {
        underWay.delete(done);
        frontRest.ended(transfer.front);
        count(busy, backend, -1);
        if (isRetry) count(retries, backend, -1);
        pool.laneFreed(backend, transfer.id);
        wake(backend);
      });
    underWay.add(done);
  }

  /**
   * A transfer whose end could not be written, on a full disk for one, is written as interrupted as soon as the ledger takes
   * it: its instances go back into the queue, and the backend is asked what it has. Ending it in any other way could
   * forget one. If the service stops before, the next start does the same.
   */
  async function giveBack(transfer: Transfer, error: unknown): Promise<void> {
    log.error('transfer could not be concluded', {
      transfer: transfer.id,
      ...studiesIn(transfer.deliveries),
      backend: transfer.backend,
      code: error instanceof LedgerError ? error.code : 'failed',
      detail: error instanceof Error ? error.message : String(error),
    });
    const detail = 'its end could not be written';
    while (!stopped) {
      // Before the first time too: whatever it was, at once it would be the same again.
      await pause(ledgerPauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      const now = clock();
      const outcomes = new Map(transfer.deliveries.map(({ id }) => [id, retry('interrupted', detail, now)]));
      try {
        const end = { at: now, code: 'interrupted', detail, bytesSent: 0, instancesSent: 0 };
        ledger.conclude(transfer.id, end, outcomes);
        return;
      } catch (again) {
        if (!(again instanceof LedgerError)) throw again;
      }
    }
  }

  /** One alarm a backend: the earliest that is wanted. */
  function alarm(backend: string, at: EpochMs): void {
    clearTimeout(alarms.get(backend));
    const timer = setTimeout(
      () => {
        alarms.delete(backend);
        wake(backend);
      },
      Math.min(Math.max(1, at - clock()), 60_000),
    );
    alarms.set(backend, timer);
  }

  return {
    beforeClaim(listener) {
      beforeClaim = listener;
    },
    wake,
    wakeAll,
    get busy() {
      return underWay.size;
    },
    async stop(graceMs) {
      stopped = true;
      stopping.abort();
      clearInterval(net);
      for (const timer of alarms.values()) clearTimeout(timer);
      alarms.clear();
      const grace = setTimeout(() => abort.abort(), graceMs);
      await Promise.allSettled(underWay);
      clearTimeout(grace);
    },
  };
}

function count(counts: Map<string, number>, backend: string, change: 1 | -1): void {
  counts.set(backend, (counts.get(backend) ?? 0) + change);
}
