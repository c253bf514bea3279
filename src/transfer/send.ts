import { type Logger, studiesIn } from '../log.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Delivery, FailureCode } from '../study.ts';
import type { Ending } from './ending.ts';
import type { StallWatch } from './stall.ts';

/** Why a transfer as a whole did not end well; the outcome of each delivery says more. */
export interface Trouble {
  readonly code: FailureCode;
  readonly detail: string;
}

export interface SendDeps {
  readonly stallWatch: StallWatch;
  readonly stallMs: number;
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
  readonly log: Logger;
}

/** What a front is to send. */
export interface Shipment {
  /** Number of the transfer. */
  readonly transfer: number;
  readonly front: Orthanc;
  readonly backend: string;
  readonly deliveries: readonly Delivery[];
  /** Bytes of all of them, and of the largest. */
  readonly bytes: number;
  readonly largestBytes: number;
  /** More of it has arrived: the share, 0 to 1. */
  readonly onMove?: (share: number) => void;
}

/** The job is being given up; the lane does not wait longer than this for a front to hear of it. */
const cancelMs = 2_000;

/** Orthanc counts a job's progress in hundredths of its instances. */
const steps = 100;

/**
 * Has a front send, and gives up when it takes too long or nothing moves any more. That the front says it is done is no proof, so a
 * failure is only remembered until both ends have been read. Rejects, with an `OrthancError`, only when the transfer is to end.
 */
export function createSend(deps: SendDeps): (shipment: Shipment, ending: Ending) => Promise<Trouble | null> {
  const { transferTimeout, log } = deps;

  return async function send(shipment, ending) {
    const { front, backend, deliveries, bytes, largestBytes, onMove } = shipment;
    const ids = inOrder(deliveries).map((delivery) => delivery.orthancId);
    const timeoutMs = transferTimeout.baseMs + (bytes / transferTimeout.bytesPerSecond) * 1000;
    const stepBytes = Math.max(largestBytes, bytes / steps);
    const limitMs = deps.stallMs + (stepBytes / transferTimeout.bytesPerSecond) * 1000;
    const giveUp = new AbortController();
    const end = (): void => giveUp.abort();
    ending.signal.addEventListener('abort', end, { once: true });
    if (ending.signal.aborted) end();
    let stalled = false;
    const onStall = (): void => {
      stalled = true;
      giveUp.abort();
    };
    const unwatch = deps.stallWatch.watch({ front, peer: backend, ids, limitMs }, onStall, onMove);
    try {
      await front.storeToPeer(backend, ids, { signal: giveUp.signal, timeoutMs });
      return null;
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      if (ending.why() === 'stopping') throw error;
      if (ending.why() === 'backend-down') {
        await cancel(shipment, ids);
        throw error;
      }
      if (stalled) {
        await cancel(shipment, ids);
        return { code: 'stalled', detail: `${backend}: nothing moved for ${seconds(limitMs)} s` };
      }
      switch (error.code) {
        case 'timeout':
          await cancel(shipment, ids);
          return { code: 'send-timeout', detail: `${backend}: no end after ${seconds(timeoutMs)} s` };
        case 'unreachable':
        case 'unauthorized':
          return { code: 'front-unreachable', detail: error.message };
        default:
          return { code: 'send-failed', detail: `${backend}: ${error.details ?? error.message}` };
      }
    } finally {
      unwatch();
      ending.signal.removeEventListener('abort', end);
    }
  };

  /** A job nobody waits for any more would go on holding one of the front's job threads. */
  async function cancel(
    { transfer, front, backend, deliveries }: Shipment,
    ids: readonly string[],
  ): Promise<void> {
    try {
      await front.cancelStores(ids, { timeoutMs: cancelMs });
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      log.warn('job could not be cancelled', {
        transfer,
        ...studiesIn(deliveries),
        front: front.name,
        backend,
        code: error.code,
      });
    }
  }
}

/**
 * A job stops at the first instance that fails. Those that were tried most go last, and the others the other way round each time:
 * so one bad image lets its neighbours arrive at the second try at the latest, and does not look like a bad backend.
 */
function inOrder(deliveries: readonly Delivery[]): readonly Delivery[] {
  return deliveries.toSorted(
    (a, b) => a.attempts - b.attempts || (a.attempts % 2 === 1 ? b.id - a.id : a.id - b.id),
  );
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
