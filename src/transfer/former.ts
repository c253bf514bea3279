import type { Ledger } from '../ledger/ledger.ts';
import type { FormerCopy } from '../study.ts';

/** MD5 of what a former backend and the current one hold under the same identifier. */
export interface Pair {
  readonly orthancId: string;
  readonly former: string;
  /** Null: the current backend does not hold it. */
  readonly current: string | null;
}

export type FormerVerdict =
  | { readonly kind: 'same' } // may be deleted on the former
  | { readonly kind: 'missing' } // to be copied
  | { readonly kind: 'damage' } // other content that came through here and was never proven: the current one stands
  | { readonly kind: 'accepted' } // other content, and a person decided
  | { readonly kind: 'conflict' }; // other content, and a person must decide

/** What the ledger knows of a study whose former copy is looked at. */
export interface FormerKnowledge {
  /** Receipts of the current assignment, by identifier. */
  readonly receipts: ReadonlyMap<string, string>;
  /** What was ever proven on the former backend. */
  readonly provenThere: ReadonlyMap<string, string>;
  /** The former backend held nothing of the study when it was bound to it. */
  readonly cameThroughHere: boolean;
  readonly accepted: boolean;
}

export function knowledgeOf(ledger: Ledger, row: FormerCopy): FormerKnowledge {
  return {
    receipts: ledger.receiptsOf(row.studyUid, row.copy),
    provenThere: ledger.provenOn(row.studyUid, row.backend),
    cameThroughHere: wasClean(ledger, row),
    accepted: ledger.formerConflictSettled(row.id),
  };
}

/**
 * The decision that bound the study to its former backend says what that one held of it then. It counts only when it was the
 * one before the decision that left it: a stray that was found there later may be anybody's.
 */
function wasClean(ledger: Ledger, { studyUid, copy, backend, since }: FormerCopy): boolean {
  const made = ledger
    .decisions(studyUid)
    .filter((decision) => decision.copy === copy && decision.backend !== null)
    .toSorted((a, b) => a.epoch - b.epoch);
  const left = made.findLast((decision) => decision.kind === 'rebound' && decision.at === since);
  const bound = left === undefined ? undefined : made.find((decision) => decision.epoch === left.epoch - 1);
  if (bound?.backend !== backend) return false;
  return bound.considered.some((one) => one.backend === backend && one.inputs.held === 0);
}

/**
 * What becomes of one instance of a former copy. Content that differs is thrown away only when it can be nothing but a part of
 * a transfer that went wrong: it came through here, was never proven there, and what the current backend has is proven.
 */
export function judgeFormer(pair: Pair, known: FormerKnowledge): FormerVerdict {
  if (pair.current === null) return { kind: 'missing' };
  if (pair.current === pair.former) return { kind: 'same' };
  if (known.accepted) return { kind: 'accepted' };
  const proven = known.receipts.get(pair.orthancId) === pair.current;
  const damaged = known.cameThroughHere && proven && !known.provenThere.has(pair.orthancId);
  return damaged ? { kind: 'damage' } : { kind: 'conflict' };
}
