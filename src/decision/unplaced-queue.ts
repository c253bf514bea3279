import type { DecisionLedger, UnplacedStudy } from '../ledger/ledger.ts';
import type { EpochMs, StudySize } from '../study.ts';
import type { Taken } from './eligible.ts';
import type { Lookup } from './lookup.ts';

/** One copy of a study that has no assignment yet. */
export interface Pending {
  readonly studyUid: string;
  readonly copy: number;
  /** What the backends said that they hold of it; null: they were not asked yet. */
  lookup: Lookup | null;
  /** Since when it waits to be looked up, or is being looked up; null: neither. */
  lookingSince: EpochMs | null;
  /** The ledger would not; once more at the next tick. */
  failed: boolean;
  /** As the ledger had it when it was read last; null: not read since its last news. */
  study: UnplacedStudy | null;
  readAt: EpochMs;
  taken: Taken;
  expected: { readonly size: StudySize; readonly at: EpochMs } | null;
  /** Its place in the queue. */
  firstSeenAt: EpochMs;
  /** The reason that was kept last for its waiting. */
  keptReason: string | null;
  /** Since when nobody could take it; null: it has not been decided, or waits for somebody. */
  stuckAt: EpochMs | null;
}

export function pendingOf(studyUid: string, copy: number): Pending {
  return {
    studyUid,
    copy,
    lookup: null,
    lookingSince: null,
    failed: false,
    study: null,
    readAt: 0,
    taken: new Map(),
    expected: null,
    firstSeenAt: 0,
    keptReason: null,
    stuckAt: null,
  };
}

/** What the ledger says of it now; `study` is null when nothing of it is left to place. @throws LedgerError */
export function readAnew(
  one: Pending,
  ledger: Pick<DecisionLedger, 'unplacedStudy' | 'assignments'>,
  now: EpochMs,
): void {
  one.study = ledger.unplacedStudy(one.studyUid, one.copy);
  one.readAt = now;
  one.expected = null;
  if (one.study === null) return;
  one.firstSeenAt = one.study.firstSeenAt;
  const others = ledger.assignments(one.studyUid).filter(({ copy }) => copy !== one.copy);
  one.taken = new Map(others.map(({ backend }) => [backend, 'has another copy of this study']));
}

/**
 * Studies that were looked up and wait for a backend, oldest first. Those nobody could take stand aside, so that they do not fill
 * the places of those somebody could.
 */
export class UnplacedQueue {
  readonly #line: Pending[] = [];
  readonly #stuck = new Set<Pending>();
  readonly #members = new Set<Pending>();

  /** Those in line; without those aside. */
  get length(): number {
    return this.#line.length;
  }

  get stuck(): number {
    return this.#stuck.size;
  }

  /** Gives its place in line, from 0. Nothing happens to one that is here already. */
  add(one: Pending): number {
    if (this.#members.has(one)) return this.#line.length;
    this.#members.add(one);
    let low = 0;
    let high = this.#line.length;
    // From the end: hardly any comes in that is not the youngest.
    const last = this.#line.at(-1);
    if (last === undefined || last.firstSeenAt <= one.firstSeenAt) low = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#line[middle]?.firstSeenAt ?? 0) <= one.firstSeenAt) low = middle + 1;
      else high = middle;
    }
    this.#line.splice(low, 0, one);
    return low;
  }

  first(count: number): readonly Pending[] {
    return this.#line.slice(0, count);
  }

  has(one: Pending): boolean {
    return this.#members.has(one);
  }

  remove(one: Pending): void {
    this.#members.delete(one);
    this.#stuck.delete(one);
    // Those that go are among the first.
    const at = this.#line.indexOf(one);
    if (at !== -1) this.#line.splice(at, 1);
  }

  /** Nobody can take it: it stands aside. */
  setAside(one: Pending, now: EpochMs): void {
    this.remove(one);
    one.stuckAt = now;
    this.#stuck.add(one);
  }

  /** Back into line, those that stand aside since before `before`. */
  recall(before: EpochMs): readonly Pending[] {
    const back = [...this.#stuck].filter(({ stuckAt }) => stuckAt === null || stuckAt < before);
    for (const one of back) {
      this.#stuck.delete(one);
      this.add(one);
    }
    return back;
  }

  clear(): void {
    this.#line.length = 0;
    this.#stuck.clear();
    this.#members.clear();
  }
}
