import { bounded, TooLate } from '../backends/bounded.ts';
import type { BackendPool } from '../backends/pool.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type HeldFile, type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock, ConflictPolicy, Delivery, DeliveryOutcome, Transfer } from '../study.ts';
import { type ConclusionDeps, createConclusion } from './conclude.ts';
import { type Conflicts, createConflicts } from './conflict.ts';
import { type Ending, endingOf } from './ending.ts';
import type { FrontRest } from './front-rest.ts';
import { backendFailure, frontFailure, isAlike, judge, type Md5s, nextTry, retry } from './outcome.ts';
import type { Peers } from './peers.ts';
import { RefusalCount } from './refusals.ts';
import { createSend, type Trouble } from './send.ts';
import { createSingledOut } from './singled-out.ts';
import { createStallWatch } from './stall.ts';
import { stillBound } from './still-bound.ts';

export interface CarryDeps {
  readonly ledger: Ledger;
  readonly pool: BackendPool;
  readonly frontRest: FrontRest;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly backends: ReadonlyMap<string, Orthanc>;
  /** Whether a front's peer leads to the backend it is named after; without it that is taken for granted. */
  readonly peers?: Pick<Peers, 'misled'>;
  readonly conflict: ConflictPolicy;
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
  /** Nothing moved for so long (and the time of the largest instance): given up. */
  readonly stallMs: number;
  /** All that is read of a transfer's MD5s at one end takes no longer than this. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** A backend failed a transfer: somebody may want to look at its health now. */
  readonly onBackendTrouble: (backend: string) => void;
  readonly onCarried?: NonNullable<ConclusionDeps['onCarried']>;
}

/** What has become of a transfer so far. */
interface Course {
  readonly transfer: Transfer;
  readonly ending: Ending;
  readonly outcomes: Map<number, DeliveryOutcome>;
  /** What the front holds of it. */
  own: ReadonlyMap<string, HeldFile>;
  sent: readonly Delivery[];
  sentBytes: number;
  trouble: Trouble | null;
  backendAnswered: boolean;
}

/**
 * Carries one transfer from its claim to its receipts: makes sure the claim is on disk, asks the backend about what
 * it may have already, has the front send the rest, reads both MD5s of every instance, and concludes. Never throws for
 * a failure of an Orthanc; a `LedgerError` passes through, and the transfer then stays open until the next start.
 */
export function createCarry(deps: CarryDeps): (transfer: Transfer, signal: AbortSignal) => Promise<void> {
  const { ledger, pool, clock } = deps;
  const refusals = new RefusalCount();
  const conflicts: Conflicts = createConflicts({ ...deps, refusals });
  const send = createSend({ ...deps, stallWatch: createStallWatch(deps.stallMs) });
  const judgeAlone = createSingledOut({ ...deps, refusals });
  const conclude = createConclusion(deps);

  return async function carry(transfer, signal) {
    const ending = endingOf(pool, transfer.backend, signal);
    const course: Course = {
      transfer,
      ending,
      outcomes: new Map(),
      own: new Map(),
      sent: [],
      sentBytes: 0,
      trouble: null,
      backendAnswered: false,
    };
    try {
      try {
        await run(course);
      } catch (error) {
        if (!(error instanceof OrthancError)) throw error;
        course.trouble = troubleOf(course, error);
      }
      await complete(course);
      conclude({ ...course, stopping: ending.why() === 'stopping' });
    } finally {
      ending.release();
    }
  };

  async function run(course: Course): Promise<void> {
    const { transfer, ending, outcomes } = course;
    const { signal } = ending;
    const front = need(deps.fronts, transfer.front);
    const backend = need(deps.backends, transfer.backend);
    // Nothing is sent for an assignment that a power cut could still undo.
    const [own, misled] = await Promise.all([
      inTime(front, (limit) =>
        front.held(
          transfer.deliveries.map((d) => d.orthancId),
          { signal: AbortSignal.any([limit, signal]), sopUids: sopUidsOf(transfer.deliveries) },
        ),
      ),
      // Beside the other questions, so that it takes no time of its own.
      inTime(front, () => deps.peers?.misled(transfer.front, transfer.backend) ?? Promise.resolve(null)),
      ledger.durable(),
    ]);
    course.own = own;
    for (const delivery of transfer.deliveries) {
      if (!own.has(delivery.orthancId)) outcomes.set(delivery.id, { kind: 'absent' });
    }
    const present = transfer.deliveries.filter((d) => own.has(d.orthancId));
    const compare = (deliveries: readonly Delivery[], mayReplace: boolean): Promise<readonly Delivery[]> =>
      compareEnds(course, backend, deliveries, mayReplace);

    // Not even asked about: who stands there may be the front itself, and would prove what it is to be told to remove.
    if (misled !== null) {
      course.trouble = { code: 'front-error', detail: misled };
      return;
    }
    const fresh = present.filter((d) => !d.askFirst);
    const asked = present.filter((d) => d.askFirst);
    // A study that was bound anew meanwhile must not be sent after: what arrives there now would be a stray.
    course.sent = [...(await compare(asked, true)), ...fresh].filter(stillBound(ledger));
    if (course.sent.length === 0) return;
    const each = course.sent.map((d) => own.get(d.orthancId)?.bytes ?? d.bytes);
    course.sentBytes = each.reduce((sum, bytes) => sum + bytes, 0);
    const shipment = {
      transfer: transfer.id,
      front,
      backend: transfer.backend,
      deliveries: course.sent,
      bytes: course.sentBytes,
      largestBytes: Math.max(...each),
      onMove: (share: number) => pool.transferMoved(transfer.backend, transfer.id, share, clock()),
    };
    course.trouble = (await send(shipment, ending)) ?? course.trouble;
    // It would not answer now, and hold the lane once more. It is asked before anything is sent again.
    if (course.trouble?.code === 'stalled') return;
    const missing = await compare(course.sent, deps.conflict === 'replace');
    for (const delivery of missing) {
      course.trouble ??= {
        code: 'not-held',
        detail: `${transfer.backend} acknowledged it and does not hold it`,
      };
      const { code, detail } = course.trouble;
      outcomes.set(delivery.id, retry(code, detail, nextTry(delivery.attempts, clock(), deps.random)));
    }
  }

  /** Decides what both ends agree on, or differ in; returns what the backend does not hold. */
  async function compareEnds(
    course: Course,
    backend: Orthanc,
    deliveries: readonly Delivery[],
    mayReplace: boolean,
  ): Promise<readonly Delivery[]> {
    if (deliveries.length === 0) return [];
    const { outcomes, own, ending } = course;
    const ids = deliveries.map((d) => d.orthancId);
    const held = await inTime(backend, (limit) =>
      backend.md5s(ids, {
        signal: AbortSignal.any([limit, ending.signal]),
        sopUids: sopUidsOf(deliveries),
      }),
    );
    course.backendAnswered = true;
    const md5sOf = ({ orthancId }: Delivery): Md5s => ({
      front: own.get(orthancId)?.md5 ?? null,
      backend: held.get(orthancId) ?? null,
    });
    // What the backend recorded says what it received. What a full disk has kept of that is known only from the disk.
    const alike = deliveries.filter((d) => isAlike(md5sOf(d)));
    const files = await inTime(backend, (limit) =>
      backend.verify(
        alike.map((d) => d.orthancId),
        { signal: AbortSignal.any([limit, ending.signal]) },
      ),
    );
    const missing: Delivery[] = [];
    const within = { transfer: course.transfer.id, signal: ending.signal };
    for (const delivery of deliveries) {
      const verdict = judge({ ...md5sOf(delivery), file: files.get(delivery.orthancId) ?? null });
      const bytes = own.get(delivery.orthancId)?.bytes ?? null;
      switch (verdict.kind) {
        case 'proven':
          outcomes.set(delivery.id, {
            kind: 'proven',
            md5: verdict.md5,
            bytes,
            supersedes: deps.conflict === 'replace',
          });
          break;
        case 'absent':
          outcomes.set(delivery.id, { kind: 'absent' });
          break;
        case 'missing':
          missing.push(delivery);
          break;
        case 'damaged': {
          const outcome = await conflicts.cutOff(backend, delivery, within);
          outcomes.set(delivery.id, outcome);
          course.trouble ??= { code: outcome.code, detail: outcome.detail };
          break;
        }
        case 'conflict': {
          const how = { ...within, mayReplace, bytes };
          const outcome = await conflicts.resolve(backend, delivery, verdict, how);
          if (outcome === 'send') missing.push(delivery);
          else outcomes.set(delivery.id, outcome);
          if (outcome !== 'send' && outcome.kind === 'retry' && outcome.code === 'damaged')
            course.trouble ??= { code: 'damaged', detail: outcome.detail };
          break;
        }
      }
    }
    return missing;
  }

  /** Each read is bounded by itself; fifty slow ones, one after the other, would hold a lane for minutes. */
  async function inTime<T>(orthanc: Orthanc, ask: (limit: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await bounded(deps.requestTimeoutMs, ask);
    } catch (error) {
      if (!(error instanceof TooLate)) throw error;
      throw new OrthancError(
        orthanc.name,
        'timeout',
        `${orthanc.name}: the MD5s took too long (${error.message})`,
      );
    }
  }

  /** Gives every delivery an outcome. */
  async function complete(course: Course): Promise<void> {
    const { transfer, outcomes, ending } = course;
    const now = clock();
    const left = course.trouble;
    for (const delivery of transfer.deliveries) {
      if (outcomes.has(delivery.id)) continue;
      if (left === null) {
        outcomes.set(delivery.id, retry('not-held', 'no outcome was reached', now));
        continue;
      }
      // What is no fault of the backend's as a whole brings no pause for it: so the instances step back by themselves.
      const stepBack = left.code === 'front-error' || (course.backendAnswered && isAlone(transfer));
      const notBefore = stepBack ? nextTry(delivery.attempts, now, deps.random) : now;
      outcomes.set(delivery.id, retry(left.code, left.detail, notBefore));
    }
    for (const delivery of transfer.deliveries) {
      if (outcomes.get(delivery.id)?.kind !== 'proven') continue;
      refusals.provenOn(transfer.backend, now);
      refusals.forget(delivery.instance, transfer.backend);
    }
    const [only] = transfer.deliveries;
    const outcome = only === undefined ? undefined : outcomes.get(only.id);
    if (only === undefined || outcome === undefined || ending.why() !== null || !isAlone(transfer)) return;
    const { baseMs, bytesPerSecond } = deps.transferTimeout;
    const judged = await judgeAlone(transfer, {
      front: deps.fronts.get(transfer.front) ?? null,
      outcome,
      backendAnswered: course.backendAnswered,
      fileTimeoutMs: baseMs + (only.bytes / bytesPerSecond) * 1000,
      signal: ending.signal,
    });
    outcomes.set(only.id, judged);
  }
}

/** What failed while the service stops is no fault of the backend's, and no outcome either: it is asked again at the next start. */
function troubleOf({ transfer, ending, trouble }: Course, error: OrthancError): Trouble {
  switch (ending.why()) {
    case 'stopping':
      return { code: 'interrupted', detail: 'the service was stopped' };
    case 'backend-down':
      return { code: 'backend-unreachable', detail: `${transfer.backend} went down during the transfer` };
    case null:
      break;
  }
  if (error.orthanc === transfer.front) return { code: frontFailure(error), detail: error.message };
  // Why the sending failed says more than that it could not be asked about afterwards.
  return trouble ?? { code: backendFailure(error), detail: error.message };
}

function isAlone(transfer: Transfer): boolean {
  return transfer.deliveries.length === 1 && transfer.deliveries.every((d) => d.attempts > 0);
}

/** One that has left the topology is to the images that wait for it like one that does not answer: it may come back. */
function need(map: ReadonlyMap<string, Orthanc>, name: string): Orthanc {
  const orthanc = map.get(name);
  if (orthanc === undefined) {
    throw new OrthancError(name, 'unreachable', `${name} is not in the topology any more`);
  }
  return orthanc;
}

function sopUidsOf(deliveries: readonly Delivery[]): ReadonlyMap<string, string> {
  return new Map(deliveries.map(({ orthancId, sopUid }) => [orthancId, sopUid]));
}
