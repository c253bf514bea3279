import type { Ledger, UnplacedStudy } from '../ledger/ledger.ts';
import type { EpochMs, StudySize } from '../study.ts';
import type { Unplaced } from './round.ts';
import { type Pending, readAnew } from './unplaced-queue.ts';

export interface LineUpOptions {
  readonly ledger: Pick<Ledger, 'unplacedStudy' | 'assignments'>;
  /** How large a study is expected to be in the end. */
  readonly expected: (study: UnplacedStudy, now: EpochMs) => StudySize;
}

/** Makes of what waits what a decision needs. */
export interface LineUp {
  /** Null: nothing of it is left to place, or it was not looked up yet. @throws LedgerError */
  unplacedOf(one: Pending, now: EpochMs): Unplaced | null;
  /** In the order given, without those that are being looked up for long. `gone`: nothing of them is left to place. @throws LedgerError */
  lineUp(
    some: readonly Pending[],
    now: EpochMs,
  ): { readonly pendings: ReadonlyMap<Unplaced, Pending>; readonly gone: readonly Pending[] };
}

/** A study that is looked up for longer lets others pass: no lane stays empty because a backend hangs. */
export const patienceMs = 100;
/** A study is read from the ledger again after this long: somebody may have taken it off its front. */
const rereadMs = 5_000;
/** A guess of a size is made anew after so long. */
const guessMs = 1_000;

export function createLineUp({ ledger, expected }: LineUpOptions): LineUp {
  /** As a decision needs it; null: nothing of it is left to place. */
  function unplacedOf(one: Pending, now: EpochMs): Unplaced | null {
    if (one.lookup === null) return null;
    if (one.study === null || now - one.readAt >= rereadMs) readAnew(one, ledger, now);
    if (one.study === null) return null;
    if (one.expected === null || now - one.expected.at >= guessMs) {
      one.expected = { size: expected(one.study, now), at: now };
    }
    return { study: { ...one.study, expected: one.expected.size }, holdings: one.lookup, taken: one.taken };
  }

  return {
    unplacedOf,
    lineUp(some, now) {
      const pendings = new Map<Unplaced, Pending>();
      const gone: Pending[] = [];
      for (const one of some) {
        if (one.lookingSince !== null && now - one.lookingSince >= patienceMs) continue;
        const unplaced = unplacedOf(one, now);
        if (unplaced === null) gone.push(one);
        else pendings.set(unplaced, one);
      }
      return { pendings, gone };
    },
  };
}
