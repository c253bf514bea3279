import type { FileState, OrthancError } from '../orthanc/orthanc.ts';
import type { Delivery, DeliveryOutcome, EpochMs, FailureCode } from '../study.ts';

/** What both ends say of one instance: the MD5 they recorded, or null where they do not hold it. */
export interface Md5s {
  readonly front: string | null;
  readonly backend: string | null;
}

export interface Evidence extends Md5s {
  /** Of the backend's file, on its disk; null: it was not asked, since the MD5s differ. */
  readonly file: FileState | null;
}

/** What is to be done about one delivery, once both ends have been asked. */
export type Verdict =
  | { readonly kind: 'proven'; readonly md5: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'conflict'; readonly front: string; readonly backend: string };

/** Whether both hold it, with the same content by what they recorded: then the backend's file is worth reading. */
export function isAlike({ front, backend }: Md5s): boolean {
  return front !== null && front === backend;
}

/**
 * Equal MD5 on both ends, and a file on the backend's disk that still has it, is the proof, and nothing else is: neither a job's
 * success nor an HTTP status says that the backend holds the file. An instance that is gone from the front cannot be proven any more, whatever the backend
 * holds, since there is nothing left to compare with.
 */
export function judge(evidence: Evidence): Verdict {
  if (evidence.front === null) return { kind: 'absent' };
  if (evidence.backend === null) return { kind: 'missing' };
  if (isAlike(evidence)) {
    // Deleted between the two questions.
    if (evidence.file === 'absent') return { kind: 'missing' };
    return evidence.file === 'intact' ? { kind: 'proven', md5: evidence.front } : { kind: 'damaged' };
  }
  return { kind: 'conflict', front: evidence.front, backend: evidence.backend };
}

/** Full jitter may well give nothing: what has just failed would then be the oldest that is ready, before all that waits behind it. */
const shortestMs = 100;

/**
 * Earliest next try of one instance that failed while its backend serves others: 1 s · 2^attempts with full jitter, at
 * most a minute. Full jitter as in Marc Brooker, "Exponential Backoff And Jitter" (2015).
 */
export function nextTry(attempts: number, now: EpochMs, random: () => number): EpochMs {
  const longestMs = Math.min(60_000, 1000 * 2 ** Math.min(attempts, 10));
  return now + Math.max(shortestMs, Math.round(random() * longestMs));
}

export function retry(
  code: FailureCode,
  detail: string,
  notBefore: EpochMs,
): DeliveryOutcome & { readonly kind: 'retry' } {
  return { kind: 'retry', code, detail, notBefore };
}

/** A failure of the front to answer. */
export function frontFailure(error: OrthancError): FailureCode {
  return error.code === 'unreachable' || error.code === 'timeout' || error.code === 'unauthorized'
    ? 'front-unreachable'
    : 'front-error';
}

/** A failure of the backend to say what it holds. */
export function backendFailure(error: OrthancError): FailureCode {
  switch (error.code) {
    case 'unreachable':
    case 'timeout':
      return 'backend-unreachable';
    case 'unauthorized':
      return 'backend-unauthorized';
    default:
      return 'backend-error';
  }
}

/** Bytes of a chunk, for its time limit. */
export function totalBytes(deliveries: readonly Delivery[]): number {
  return deliveries.reduce((sum, delivery) => sum + delivery.bytes, 0);
}
