import type { ServiceSample } from '../backends/model/service.ts';
import type { BackendPool } from '../backends/pool.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type Logger, studiesIn } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock, Delivery, DeliveryOutcome, EpochMs, Transfer } from '../study.ts';
import type { FrontRest } from './front-rest.ts';
import { totalBytes } from './outcome.ts';
import type { Trouble } from './send.ts';

export interface ConclusionDeps {
  readonly ledger: Pick<Ledger, 'conclude'>;
  readonly pool: BackendPool;
  readonly frontRest: FrontRest;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onBackendTrouble: (backend: string) => void;
  /** A transfer moved so much, whether or not all of it was proven. */
  readonly onCarried?: (
    moved: Pick<Transfer, 'front' | 'backend'> & { readonly instances: number; readonly bytes: number },
  ) => void;
}

/** A transfer that is over, each of its deliveries with an outcome. */
export interface Ended {
  readonly transfer: Transfer;
  readonly outcomes: ReadonlyMap<number, DeliveryOutcome>;
  readonly trouble: Trouble | null;
  readonly sent: readonly Delivery[];
  readonly sentBytes: number;
  /** The backend said, in this transfer, what it holds. */
  readonly backendAnswered: boolean;
  readonly stopping: boolean;
}

interface Figures {
  readonly proven: number;
  readonly now: EpochMs;
}

/** Writes how a transfer ended, and tells those who decide by it what comes next. @throws LedgerError */
export function createConclusion(deps: ConclusionDeps): (ended: Ended) => void {
  const { ledger, pool, frontRest, clock, log, metrics } = deps;

  return function conclude(ended) {
    const outcomes = [...ended.outcomes.values()];
    const proven = outcomes.filter((outcome) => outcome.kind === 'proven').length;
    const figures = { proven, now: clock() };
    write(ended, figures);
    if (!ended.stopping) report(ended, figures);
  };

  function write(ended: Ended, { proven, now }: Figures): void {
    const { transfer, trouble, sentBytes } = ended;
    const code = trouble?.code ?? 'done';
    ledger.conclude(
      transfer.id,
      {
        at: now,
        code,
        detail: trouble?.detail ?? '',
        instancesSent: ended.sent.length,
        bytesSent: sentBytes,
      },
      ended.outcomes,
    );
    const { front, backend } = transfer;
    deps.onCarried?.({ front, backend, instances: ended.sent.length, bytes: sentBytes });
    const seconds = Math.max(0, now - transfer.startedAt) / 1000;
    metrics.transferSeconds.observe({ backend: transfer.backend }, seconds);
    metrics.transfers.inc({ backend: transfer.backend, outcome: code });
    metrics.transferredInstances.inc({ backend: transfer.backend }, proven);
    metrics.transferredBytes.inc({ backend: transfer.backend }, proven > 0 ? sentBytes : 0);
    for (const delivery of transfer.deliveries) {
      if (delivery.unprovenSince === null || ended.outcomes.get(delivery.id)?.kind !== 'proven') continue;
      const delay = Math.max(0, now - delivery.unprovenSince) / 1000;
      metrics.proofDelaySeconds.observe({ backend: transfer.backend }, delay);
    }
    log.debug('transfer ended', {
      transfer: transfer.id,
      ...studiesIn(transfer.deliveries),
      front: transfer.front,
      backend: transfer.backend,
      instances: transfer.deliveries.length,
      bytes: totalBytes(transfer.deliveries),
      proven,
      seconds,
      code,
    });
  }

  /** Back-off belongs to the backend only when it moved nothing; otherwise the instances that failed wait by themselves. */
  function report(ended: Ended, { proven, now }: Figures): void {
    const { transfer, trouble } = ended;
    const { id, front, backend } = transfer;
    const named = { transfer: id, ...studiesIn(transfer.deliveries), front, backend };
    if (trouble?.code === 'front-unreachable') {
      // No fault of the backend's, which may be sent to from other fronts meanwhile.
      frontRest.failed(front, now);
      log.warn('front did not answer a transfer', { ...named, detail: trouble.detail });
      return;
    }
    frontRest.answered(front);
    if (trouble?.code === 'front-error') {
      log.warn('front failed a transfer', { ...named, detail: trouble.detail });
      return;
    }
    if (trouble === null || proven > 0) {
      pool.transferSucceeded(backend, now, sampleOf(ended, proven, now));
      return;
    }
    if (isFaultOfInstance(ended)) return;
    const until = pool.transferFailed(backend, trouble.code, trouble.detail, now);
    log.warn('transfer failed', {
      ...named,
      instances: transfer.deliveries.length,
      code: trouble.code,
      detail: trouble.detail,
      retryInMs: Math.max(0, until - now),
    });
    deps.onBackendTrouble(backend);
  }

  /**
   * One image that fails again, alone, while the backend answers: counted against the backend it would take that from all others.
   * Not while the breaker is open: then this was the transfer that tried whether the backend has come round.
   */
  function isFaultOfInstance({ transfer, outcomes, backendAnswered }: Ended): boolean {
    const { deliveries, backend } = transfer;
    if (deliveries.some((d) => isUnreadable(outcomes.get(d.id)))) return true;
    if (deliveries.length > 1 || deliveries.some((d) => d.attempts === 0)) return false;
    return backendAnswered && pool.breaker(backend) === 'closed';
  }
}

/** Only what was all sent and all proven tells a backend's speed: asking first, resending and pauses are other things. */
function sampleOf(
  { transfer, trouble, sent, sentBytes }: Ended,
  proven: number,
  now: EpochMs,
): ServiceSample | undefined {
  const { deliveries, startedAt } = transfer;
  if (trouble !== null || sent.length !== deliveries.length || proven !== deliveries.length) return undefined;
  return { instances: sent.length, bytes: sentBytes, seconds: (now - startedAt) / 1000, endedAt: now };
}

function isUnreadable(outcome: DeliveryOutcome | undefined): boolean {
  return outcome?.kind === 'quarantine' && outcome.code === 'unreadable';
}
