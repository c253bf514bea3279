import type { OrthancError } from '../orthanc/orthanc.ts';
import type { Delivery, DeliveryOutcome, EpochMs, FailureCode } from '../study.ts';

/** What both ends say of one instance: MD5, or null where they do not hold it. */
export interface Evidence {
  readonly front: string | null;
  readonly backend: string | null;
}

/** What is to be done about one delivery, once both ends have been asked. */
export type Verdict =
  | { readonly kind: 'proven'; readonly md5: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'conflict'; readonly front: string; readonly backend: string };

/**
 * Equal MD5 on both ends is the proof, and nothing else is: neither a job's success nor an HTTP status says that
 * the backend holds the file. An instance that is gone from the front cannot be proven any more, whatever the backend
 * holds, since there is nothing left to compare with.
 */
export function judge(evidence: Evidence): Verdict {
  if (evidence.front === null) return { kind: 'absent' };
  if (evidence.backend === null) return { kind: 'missing' };
  if (evidence.backend === evidence.front) return { kind: 'proven', md5: evidence.front };
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

export function retry(code: FailureCode, detail: string, notBefore: EpochMs): DeliveryOutcome {
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
