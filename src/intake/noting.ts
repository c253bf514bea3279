import { type Ledger, LedgerError, type ReceivedAnswer } from '../ledger/ledger.ts';
import { type Logger, studiesIn } from '../log.ts';
import type { Arrival, Clock } from '../study.ts';

export interface NotingDeps {
  readonly ledger: Pick<Ledger, 'received' | 'receivedMany'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** How far apart transfers to a backend begin while images keep coming, milliseconds: so long an image of a placed study is not missed. */
  readonly transferGatherMs: number;
  /** Called for each study after what was gathered of it is in the ledger. */
  readonly onNoted: (studyUid: string, answer: ReceivedAnswer) => void;
}

/** What is known of a study at the moment an instance of it is announced. */
export type Known = Pick<ReceivedAnswer, 'assignments' | 'waitingReason'>;

export interface Noting {
  /**
   * Notes it at once, or very soon together with what comes right behind it: then `noted` is null, and `onNoted` follows.
   *
   * @throws LedgerError when it should be noted at once and could not be
   */
  note(arrival: Arrival): { readonly known: Known; readonly noted: ReceivedAnswer | null };
  /** A transfer to this backend is about to be claimed: what is gathered for it is noted now, if the last transaction is not just over. */
  beforeClaim(backend: string): void;
  /** Notes what is still to be noted. */
  stop(): void;
}

/** Transactions of announcements follow each other at this distance at least. */
const gatherMs = 25;
/** The same where all studies that are announced have their backend, whose next transfer asks for them: see `beforeClaim`. */
const placedGatherMs = 60;
/** So many in one at most: it must not keep the next hook waiting for long. */
const most = 32;
/** Studies whose last answer is remembered: more than arrive at the same time. */
const mostKnown = 256;
const nothing: Known = { assignments: [], waitingReason: null };

/**
 * Several announcements in one transaction. A front tells of one instance after the other and waits for each answer, so under load the
 * commit for each was most of what a hook cost, and the front's time as well. Now the first after a pause is noted before it is
 * answered, and what comes right behind it is answered first and noted together.
 *
 * What was answered and not noted when the service dies stands on the front still, and reconciling finds it: an announcement was never
 * more than a hint. While the ledger fails each is noted by itself again, so that the front hears of it.
 */
export function createNoting({ ledger, clock, log, transferGatherMs, onNoted }: NotingDeps): Noting {
  const placedMs = Math.max(gatherMs, Math.min(placedGatherMs, transferGatherMs));
  const waiting: Arrival[] = [];
  const known = new Map<string, Known>();
  let timer: NodeJS.Timeout | null = null;
  /** When the timer is due, on the monotonic clock. */
  let dueAt = 0;
  /** On the monotonic clock; null: nothing was noted yet, or the last time failed. */
  let lastAt: number | null = null;

  function remember(studyUid: string, answer: Known): void {
    known.delete(studyUid);
    known.set(studyUid, answer);
    if (known.size <= mostKnown) return;
    for (const oldest of known.keys()) {
      known.delete(oldest);
      return;
    }
  }

  function flushIn(ms: number): void {
    if (timer !== null) clearTimeout(timer);
    dueAt = performance.now() + ms;
    timer = setTimeout(flush, ms);
  }

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const some = waiting.splice(0, most);
    if (some.length === 0) return;
    let answers: readonly ReceivedAnswer[];
    try {
      answers = ledger.receivedMany(some, clock());
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      lastAt = null;
      const lost = [...some, ...waiting.splice(0)];
      log.error('announcements not noted; the instances are found on their front later', {
        ...studiesIn(lost),
        instances: lost.length,
        code: error.code,
        detail: error.message,
      });
      return;
    }
    lastAt = performance.now();
    const studies = new Map<string, ReceivedAnswer>();
    for (const [index, { studyUid }] of some.entries()) {
      const answer = answers[index];
      if (answer !== undefined) studies.set(studyUid, answer);
    }
    for (const [studyUid, answer] of studies) {
      remember(studyUid, answer);
      onNoted(studyUid, answer);
    }
    if (waiting.length > 0) flushIn(0);
  }

  return {
    note(arrival) {
      const of = known.get(arrival.studyUid) ?? nothing;
      const distanceMs = of.assignments.length > 0 ? placedMs : gatherMs;
      const now = performance.now();
      const sinceMs = lastAt === null ? distanceMs : now - lastAt;
      if (waiting.length === 0 && sinceMs >= distanceMs) {
        lastAt = null;
        const noted = ledger.received(arrival, clock());
        lastAt = performance.now();
        remember(arrival.studyUid, noted);
        return { known: noted, noted };
      }
      waiting.push(arrival);
      const waitMs = waiting.length >= most ? 0 : Math.max(0, distanceMs - sinceMs);
      if (timer === null || now + waitMs < dueAt) flushIn(waitMs);
      return { known: of, noted: null };
    },

    beforeClaim(backend) {
      if (waiting.length === 0 || (lastAt !== null && performance.now() - lastAt < gatherMs)) return;
      const goesThere = ({ studyUid }: Arrival): boolean =>
        known.get(studyUid)?.assignments.some((assignment) => assignment.backend === backend) === true;
      // With many backends one claims every few milliseconds: for the images of others nothing is noted early.
      if (waiting.some(goesThere)) flush();
    },

    stop() {
      while (waiting.length > 0) flush();
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
  };
}
