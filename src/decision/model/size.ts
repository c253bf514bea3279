import type { EpochMs } from '../../study.ts';

/** What is known of a study while it arrives. */
export interface ArrivingStudy {
  readonly modality: string | null;
  readonly station: string | null;
  readonly instances: number;
  readonly bytes: number;
  readonly firstSeenAt: EpochMs;
  readonly lastNewsAt: EpochMs;
}

/** Sizes of the studies that arrived last, by `station|modality` and by modality. Plain data, made anew from the ledger at a start. */
export interface SizeHistory {
  readonly byKey: ReadonlyMap<string, readonly FinishedStudy[]>;
}

export interface FinishedStudy {
  readonly instances: number;
  readonly bytes: number;
  /** From its first instance to its last. */
  readonly seconds: number;
}

export function emptyHistory(): SizeHistory {
  return { byKey: new Map() };
}
