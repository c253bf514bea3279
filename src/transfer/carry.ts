import type { BackendPool } from '../backends/pool.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type {
  Clock,
  ConflictPolicy,
  Delivery,
  DeliveryOutcome,
  EpochMs,
  FailureCode,
  Transfer,
} from '../study.ts';
import { createConflicts } from './conflict.ts';
import type { FrontRest } from './front-rest.ts';
import { backendFailure, frontFailure, judge, nextTry, retry, totalBytes } from './outcome.ts';
import { RefusalCount } from './refusals.ts';

export interface CarryDeps {
  readonly ledger: Ledger;
  readonly pool: BackendPool;
  readonly frontRest: FrontRest;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly backends: ReadonlyMap<string, Orthanc>;
  readonly conflict: ConflictPolicy;
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** A backend failed a transfer: somebody may want to look at its health now. */
  readonly onBackendTrouble: (backend: string) => void;
}

/**
 * Reads of MD5 under way at the same time, for each transfer and end. Enough to keep an Orthanc busy; more would only
 * gather into bursts of work in which the event loop answers no hook.
 */
const readsAtATime = 3;

/**
 * After this many refusals of an instance that was sent alone, each while its backend took others, a person is asked. Fewer
 * would quarantine images for a passing fault of the backend's disk; trying for ever would hide them from everybody.
 */
const refusalsBeforeQuarantine = 5;

/** How a transfer ended as a whole; the outcome of each delivery says more. */
interface Trouble {
  readonly code: FailureCode;
  readonly detail: string;
}

/**
 * Carries one transfer from its claim to its receipts: makes sure the claim is on disk, asks the backend about what
 * it may have already, has the front send the rest, reads both MD5s of every instance, and concludes. Never throws for
 * a failure of an Orthanc; a `LedgerError` passes through, and the transfer then stays open until the next start.
 */
export function createCarry(deps: CarryDeps): (transfer: Transfer, signal: AbortSignal) => Promise<void> {
  const { ledger, pool, frontRest, clock, log, metrics } = deps;
  const refusals = new RefusalCount();
  const conflicts = createConflicts(deps);

  return async function carry(transfer, signal) {
    const outcomes = new Map<number, DeliveryOutcome>();
    const settle = (
      deliveries: readonly Delivery[],
      outcome: (delivery: Delivery) => DeliveryOutcome,
    ): void => {
      for (const delivery of deliveries) {
        if (!outcomes.has(delivery.id)) outcomes.set(delivery.id, outcome(delivery));
      }
    };
    let sent: readonly Delivery[] = [];
    let sentBytes = 0;
    let trouble: Trouble | null = null;
    let backendAnswered = false;

    try {
      const front = need(deps.fronts, transfer.front);
      const backend = need(deps.backends, transfer.backend);
      // Nothing is sent for an assignment that a power cut could still undo.
      const [sizes] = await Promise.all([
        front.sizes(
          transfer.deliveries.map((d) => d.orthancId),
          { signal },
        ),
        ledger.durable(),
      ]);
      settle(
        transfer.deliveries.filter((d) => !sizes.has(d.orthancId)),
        () => ({ kind: 'absent' }),
      );
      const present = transfer.deliveries.filter((d) => sizes.has(d.orthancId));
      const frontMd5s = front.md5s(
        present.map((d) => d.orthancId),
        readsAtATime,
        { signal },
      );
      // It is awaited below on every path that needs it; a failure before that must not count as unhandled.
      frontMd5s.catch(() => undefined);

      const compare = async (
        deliveries: readonly Delivery[],
        conflictMayBeReplaced: boolean,
      ): Promise<Delivery[]> => {
        if (deliveries.length === 0) return [];
        const ids = deliveries.map((d) => d.orthancId);
        const held = await backend.md5s(ids, readsAtATime, { signal });
        backendAnswered = true;
        const own = await frontMd5s;
        const open: Delivery[] = [];
        for (const delivery of deliveries) {
          const verdict = judge({
            front: own.get(delivery.orthancId) ?? null,
            backend: held.get(delivery.orthancId) ?? null,
          });
          switch (verdict.kind) {
            case 'proven':
              outcomes.set(delivery.id, {
                kind: 'proven',
                md5: verdict.md5,
                bytes: sizes.get(delivery.orthancId) ?? null,
              });
              break;
            case 'absent':
              outcomes.set(delivery.id, { kind: 'absent' });
              break;
            case 'missing':
              open.push(delivery);
              break;
            case 'conflict': {
              const bytes = sizes.get(delivery.orthancId) ?? null;
              const outcome = await conflicts.resolve(backend, delivery, verdict, {
                mayReplace: conflictMayBeReplaced,
                bytes,
                signal,
              });
              if (outcome === 'send') open.push(delivery);
              else outcomes.set(delivery.id, outcome);
              break;
            }
          }
        }
        return open;
      };

      const fresh = present.filter((d) => !d.askFirst);
      sent = [
        ...(await compare(
          present.filter((d) => d.askFirst),
          true,
        )),
        ...fresh,
      ];
      if (sent.length > 0) {
        sentBytes = sent.reduce((sum, d) => sum + (sizes.get(d.orthancId) ?? d.bytes), 0);
        trouble = await send(front, transfer, sent, sentBytes, signal);
        const replaceable = await compare(sent, deps.conflict === 'replace');
        settle(replaceable, (delivery) => {
          trouble ??= {
            code: 'not-held',
            detail: `${transfer.backend} acknowledged it and does not hold it`,
          };
          return retry(trouble.code, trouble.detail, nextTry(delivery.attempts, clock(), deps.random));
        });
      }
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      // What failed while the service stops is no fault of the backend's, and no outcome either: it is asked again at the next start.
      trouble = signal.aborted
        ? { code: 'interrupted', detail: 'the service was stopped' }
        : error.orthanc === transfer.front
          ? { code: frontFailure(error), detail: error.message }
          : { code: backendFailure(error), detail: error.message };
    }

    const now = clock();
    const left = trouble;
    settle(transfer.deliveries, (delivery) => {
      if (left === null) return retry('not-held', 'no outcome was reached', now);
      // A front that answers, and fails on these: they step back behind what it can still give.
      const notBefore = left.code === 'front-error' ? nextTry(delivery.attempts, now, deps.random) : now;
      return retry(left.code, left.detail, notBefore);
    });
    const proven = [...outcomes.values()].filter((outcome) => outcome.kind === 'proven').length;
    singleOut(transfer, outcomes, { proven, backendAnswered, now });
    conclude(transfer, outcomes, { trouble, proven, sent: sent.length, sentBytes, now });
    report(transfer, { trouble, proven, backendAnswered, stopping: signal.aborted, now });
  };

  /** Has the front send; its word is not proof, so a failure is only remembered until both ends have been read. */
  async function send(
    front: Orthanc,
    transfer: Transfer,
    deliveries: readonly Delivery[],
    bytes: number,
    signal: AbortSignal,
  ): Promise<Trouble | null> {
    const ids = deliveries.map((d) => d.orthancId);
    const timeoutMs = deps.transferTimeout.baseMs + (bytes / deps.transferTimeout.bytesPerSecond) * 1000;
    try {
      await front.storeToPeer(transfer.backend, ids, { signal, timeoutMs });
      return null;
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      if (signal.aborted) throw error;
      if (error.code === 'timeout') {
        await cancel(front, ids, transfer);
        return {
          code: 'send-timeout',
          detail: `${transfer.backend}: no end after ${Math.round(timeoutMs / 1000)} s`,
        };
      }
      if (error.code === 'unreachable' || error.code === 'unauthorized') {
        return { code: 'front-unreachable', detail: error.message };
      }
      return { code: 'send-failed', detail: `${transfer.backend}: ${error.details ?? error.message}` };
    }
  }

  /** A job nobody waits for any more would go on holding one of the front's job threads. */
  async function cancel(front: Orthanc, ids: readonly string[], transfer: Transfer): Promise<void> {
    try {
      await front.cancelStores(ids);
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      log.warn('job could not be cancelled', {
        transfer: transfer.id,
        front: transfer.front,
        code: error.code,
      });
    }
  }

  /** Turns the retry of an instance that its backend refuses, while it takes others, into quarantine. */
  function singleOut(
    transfer: Transfer,
    outcomes: Map<number, DeliveryOutcome>,
    seen: { readonly proven: number; readonly backendAnswered: boolean; readonly now: EpochMs },
  ): void {
    if (seen.proven > 0) refusals.provenOn(transfer.backend, seen.now);
    const [only] = transfer.deliveries;
    if (only === undefined || transfer.deliveries.length > 1) return;
    const outcome = outcomes.get(only.id);
    if (outcome?.kind !== 'retry') return;
    const refused = seen.backendAnswered && (outcome.code === 'send-failed' || outcome.code === 'not-held');
    if (!refused) return;
    if (refusals.count(only.instance, transfer.backend, seen.now) >= refusalsBeforeQuarantine) {
      outcomes.set(only.id, { kind: 'quarantine', code: 'refused', detail: outcome.detail });
      refusals.forget(only.instance);
      log.warn('instance quarantined: refused by its backend', {
        study: only.studyUid,
        instance: only.orthancId,
        backend: transfer.backend,
        detail: outcome.detail,
      });
    }
  }

  function conclude(
    transfer: Transfer,
    outcomes: ReadonlyMap<number, DeliveryOutcome>,
    end: { trouble: Trouble | null; proven: number; sent: number; sentBytes: number; now: EpochMs },
  ): void {
    ledger.conclude(
      transfer.id,
      {
        at: end.now,
        code: end.trouble?.code ?? 'done',
        detail: end.trouble?.detail ?? '',
        instancesSent: end.sent,
        bytesSent: end.sentBytes,
      },
      outcomes,
    );
    const seconds = Math.max(0, end.now - transfer.startedAt) / 1000;
    metrics.transferSeconds.observe({ backend: transfer.backend }, seconds);
    metrics.transfers.inc({ backend: transfer.backend, outcome: end.trouble?.code ?? 'done' });
    metrics.transferredInstances.inc({ backend: transfer.backend }, end.proven);
    metrics.transferredBytes.inc({ backend: transfer.backend }, end.proven > 0 ? end.sentBytes : 0);
    log.debug('transfer ended', {
      transfer: transfer.id,
      front: transfer.front,
      backend: transfer.backend,
      instances: transfer.deliveries.length,
      bytes: totalBytes(transfer.deliveries),
      proven: end.proven,
      seconds,
      code: end.trouble?.code ?? 'done',
    });
  }

  /** Back-off belongs to the backend only when it moved nothing; otherwise the instances that failed wait by themselves. */
  function report(
    transfer: Transfer,
    end: {
      trouble: Trouble | null;
      proven: number;
      backendAnswered: boolean;
      stopping: boolean;
      now: EpochMs;
    },
  ): void {
    if (end.stopping) return;
    if (end.trouble?.code === 'front-unreachable') {
      // No fault of the backend's, which may be sent to from other fronts meanwhile.
      frontRest.failed(transfer.front, end.now);
      log.warn('front did not answer a transfer', {
        transfer: transfer.id,
        front: transfer.front,
        backend: transfer.backend,
        detail: end.trouble.detail,
      });
      return;
    }
    frontRest.answered(transfer.front);
    if (end.trouble?.code === 'front-error') {
      log.warn('front failed a transfer', {
        transfer: transfer.id,
        front: transfer.front,
        backend: transfer.backend,
        detail: end.trouble.detail,
      });
      return;
    }
    if (end.trouble === null || end.proven > 0) {
      pool.transferSucceeded(transfer.backend, end.now);
      return;
    }
    const singledOut = end.backendAnswered && transfer.deliveries.every((d) => d.attempts > 0);
    if (singledOut && transfer.deliveries.length === 1) return;
    const until = pool.transferFailed(transfer.backend, end.trouble.code, end.trouble.detail, end.now);
    log.warn('transfer failed', {
      transfer: transfer.id,
      front: transfer.front,
      backend: transfer.backend,
      instances: transfer.deliveries.length,
      code: end.trouble.code,
      detail: end.trouble.detail,
      retryInMs: Math.max(0, until - end.now),
    });
    deps.onBackendTrouble(transfer.backend);
  }
}

/** One that has left the topology is to the images that wait for it like one that does not answer: it may come back. */
function need(map: ReadonlyMap<string, Orthanc>, name: string): Orthanc {
  const orthanc = map.get(name);
  if (orthanc === undefined) {
    throw new OrthancError(name, 'unreachable', `${name} is not in the topology any more`);
  }
  return orthanc;
}
