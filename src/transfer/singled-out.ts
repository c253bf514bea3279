import type { BackendPool } from '../backends/pool.ts';
import type { Logger } from '../log.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock, Delivery, DeliveryOutcome, FailureCode, Transfer } from '../study.ts';
import type { RefusalCount } from './refusals.ts';

export interface SingledOutDeps {
  readonly pool: Pick<BackendPool, 'health'>;
  readonly refusals: RefusalCount;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a transfer of one instance has shown. */
export interface Seen {
  readonly front: Orthanc | null;
  readonly outcome: DeliveryOutcome;
  readonly backendAnswered: boolean;
  /** Time limit of reading the file back. */
  readonly fileTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Before this many tries, a passing fault is the likelier cause. */
const triesBeforeReadingBack = 2;

const refusedCodes: ReadonlySet<FailureCode> = new Set(['send-failed', 'not-held']);
/** Failures that a bad file on the front may be the reason of. */
const fileCodes: ReadonlySet<FailureCode> = new Set(['send-failed', 'not-held', 'front-error', 'damaged']);

/**
 * Decides about an instance that failed alone: when its front cannot give the file any more, a person is asked (`unreadable`); when the
 * backend refuses it and takes others, it is for another backend (`refused`). Otherwise the outcome stays as it is.
 */
export function createSingledOut(
  deps: SingledOutDeps,
): (transfer: Transfer, seen: Seen) => Promise<DeliveryOutcome> {
  const { pool, refusals, clock, log } = deps;

  return async function judgeAlone(transfer, seen) {
    const [only] = transfer.deliveries;
    const { outcome, front } = seen;
    if (only === undefined || transfer.deliveries.length > 1) return outcome;
    const code = codeOf(outcome);
    if (code === null) return outcome;

    if (front !== null && fileCodes.has(code) && isTimeToReadBack(only.attempts)) {
      const fault = await faultOfFile(front, only, seen);
      if (fault !== null) {
        log.warn('instance quarantined: its front cannot give the file', of(transfer, only, fault));
        return { kind: 'quarantine', code: 'unreadable', detail: fault };
      }
    }
    if (!seen.backendAnswered || !refusedCodes.has(code) || outcome.kind !== 'retry') return outcome;
    // One that is going down refuses everything; that is its health's business.
    if (pool.health(transfer.backend) !== 'up') return outcome;
    if (!refusals.refused(only.instance, transfer.backend, clock())) return outcome;
    log.warn('instance refused by its backend', of(transfer, only, outcome.detail));
    return { kind: 'refused', detail: outcome.detail };
  };

  /** What is wrong with its file, in a sentence; null: nothing, or nobody can tell now. */
  async function faultOfFile(
    front: Orthanc,
    { orthancId }: Delivery,
    { fileTimeoutMs, signal }: Seen,
  ): Promise<string | null> {
    try {
      const onDisk = await front.readBack(orthancId, { signal, timeoutMs: fileTimeoutMs });
      if (onDisk === null) {
        return (await isGone(front, orthancId, signal))
          ? null
          : `${front.name} cannot give its own file: it is missing, cut off or unreadable on its disk`;
      }
      const recorded = await recordedMd5(front, orthancId, signal);
      if (recorded === undefined) return `${front.name} cannot say which MD5 it recorded on reception`;
      if (recorded === null || recorded === onDisk) return null;
      return `the file on the disk of ${front.name} has other content (MD5 ${onDisk}) than was received (MD5 ${recorded})`;
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      return null;
    }
  }
}

/** One that was deleted there meanwhile is no bad file. A front that fails to say has it, or is in trouble with it. */
async function isGone(front: Orthanc, orthancId: string, signal: AbortSignal): Promise<boolean> {
  return unlessItFails(async () => !(await front.sizes([orthancId], { signal })).has(orthancId), false);
}

/** Undefined: a front that has just read the file from its disk fails to say what it recorded of it. */
async function recordedMd5(
  front: Orthanc,
  orthancId: string,
  signal: AbortSignal,
): Promise<string | null | undefined> {
  return unlessItFails(async () => await front.md5(orthancId, { signal }), undefined);
}

/** `instead` when the Orthanc answers with an error of its own; that it does not answer passes through. */
async function unlessItFails<T>(ask: () => Promise<T>, instead: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof OrthancError && error.code === 'server-error') return instead;
    throw error;
  }
}

function codeOf(outcome: DeliveryOutcome): FailureCode | null {
  if (outcome.kind === 'retry') return outcome.code;
  // Damaged once too often: if it is the front's file, a person should hear of that.
  return outcome.kind === 'quarantine' ? 'damaged' : null;
}

/** Seldom, later: a file may be large. */
function isTimeToReadBack(attempts: number): boolean {
  if (attempts < triesBeforeReadingBack) return false;
  return attempts === 3 || (attempts & (attempts - 1)) === 0;
}

function of({ id, front, backend }: Transfer, { studyUid, orthancId }: Delivery, detail: string) {
  return { transfer: id, study: studyUid, instance: orthancId, front, backend, detail };
}
