import type { Candidate } from '../decision/policy.ts';
import type { LearningLedger, StudySoFar } from '../ledger/ledger.ts';
import type { EpochMs, StudySize } from '../study.ts';
import { type ArrivingStudy, emptyHistory, learnSize, predictSize, type SizeHistory } from './model/size.ts';

export type Reserved = Candidate['reserved'];

export interface ArrivalsOptions {
  readonly ledger: Pick<LearningLedger, 'news' | 'studySoFar' | 'finished'>;
  /** A study without news for so long is over, and its size is learnt. */
  readonly settleMs: number;
  readonly now: EpochMs;
}

/** Studies that are arriving: how large they will be, and what of them is still to come. */
export interface Arrivals {
  /** How large this study is expected to become. */
  expected(study: ArrivingStudy, now: EpochMs): StudySize;
  /** The study was bound, or bound anew. */
  bound(studyUid: string, now: EpochMs): void;
  /** What is still to come for each backend that something is to come for. Takes up the news first. @throws LedgerError */
  reserved(now: EpochMs): ReadonlyMap<string, Reserved>;
  /** Studies that are arriving. */
  readonly size: number;
}

interface Arriving {
  readonly study: StudySoFar;
  readonly toCome: Reserved;
  readonly guessedAt: EpochMs;
}

/** Finished studies that the history is made from at a start: as much as it can use of a usual farm's last days, read in some milliseconds. */
const finishedAtStart = 2_000;
/** No study counts as over sooner, and none is looked after for longer. */
const over = { leastMs: 3_000, mostMs: 600_000 };
/** What has been coming for longer is no study that arrives: its first image came long ago, and now a late one. */
const longestMs = 2 * 3_600_000;
/** A guess is made anew after so long without news; what was expected and does not come stops counting by that. */
const guessMs = 1_000;
/** Guesses made anew in one call at most, and the least time between two such calls: however much arrives, this takes little. */
const guesses = { most: 64, betweenMs: 20 };

/**
 * The studies that had news lately, read from the ledger and nowhere else: whoever noted an image there, hook or reconciler, need
 * not say so here, and a restart forgets nothing.
 *
 * @throws LedgerError when the history cannot be read
 */
export function createArrivals(options: ArrivalsOptions): Arrivals {
  const { ledger } = options;
  const quietMs = Math.min(over.mostMs, Math.max(over.leastMs, options.settleMs));
  /** The oldest guess first. */
  const arriving = new Map<string, Arriving>();
  let history: SizeHistory = emptyHistory();
  for (const study of ledger.finished(finishedAtStart)) history = withStudy(history, study);
  let readUntil = options.now - quietMs;
  let guessedAt: EpochMs = Number.NEGATIVE_INFINITY;

  function takeUp(now: EpochMs): void {
    // A clock that was set back leaves news in what is now the future; they come when their time has.
    for (const study of ledger.news(Math.min(readUntil, now), now)) note(study, now);
    readUntil = now;
  }

  function note(study: StudySoFar, now: EpochMs): void {
    arriving.delete(study.studyUid);
    if (study.lastNewsAt - study.firstSeenAt > longestMs) return;
    if (now - study.lastNewsAt >= quietMs) {
      history = withStudy(history, study);
      return;
    }
    // What is bound nowhere is booked nowhere.
    const more = study.backends.length === 0 ? nothing : toCome(predictSize(history, study, now), study);
    arriving.set(study.studyUid, { study, toCome: more, guessedAt: now });
  }

  function guessAnew(now: EpochMs): void {
    if (now - guessedAt < guesses.betweenMs) return;
    guessedAt = now;
    let left = guesses.most;
    for (const { study, guessedAt: at } of arriving.values()) {
      if (now - at < guessMs || left-- <= 0) return;
      note(study, now);
    }
  }

  return {
    expected: (study, now) => predictSize(history, study, now),
    bound(studyUid, now) {
      if (!arriving.has(studyUid)) return;
      const study = ledger.studySoFar(studyUid);
      if (study !== null) note(study, now);
    },
    reserved(now) {
      takeUp(now);
      guessAnew(now);
      const sums = new Map<string, Reserved>();
      for (const { study, toCome: more } of arriving.values()) {
        if (more.instances <= 0) continue;
        for (const backend of study.backends) {
          const sum = sums.get(backend);
          sums.set(backend, sum === undefined ? more : plus(sum, more));
        }
      }
      return sums;
    },
    get size() {
      return arriving.size;
    },
  };
}

function toCome(expected: StudySize, { instances, bytes }: StudySoFar): Reserved {
  if (!(expected.arrivesIn > 0)) return nothing;
  const more = {
    instances: Math.max(0, expected.instances - instances),
    bytes: Math.max(0, expected.bytes - bytes),
  };
  return {
    ...more,
    instancesPerSecond: more.instances / expected.arrivesIn,
    bytesPerSecond: more.bytes / expected.arrivesIn,
  };
}

function plus(a: Reserved, b: Reserved): Reserved {
  return {
    instances: a.instances + b.instances,
    bytes: a.bytes + b.bytes,
    instancesPerSecond: a.instancesPerSecond + b.instancesPerSecond,
    bytesPerSecond: a.bytesPerSecond + b.bytesPerSecond,
  };
}

/** What nothing more is expected for. */
export const nothing: Reserved = { instances: 0, bytes: 0, instancesPerSecond: 0, bytesPerSecond: 0 };

function withStudy(
  history: SizeHistory,
  { modality, station, instances, bytes, firstSeenAt, lastNewsAt }: Omit<StudySoFar, 'backends'>,
): SizeHistory {
  const ms = Math.max(0, lastNewsAt - firstSeenAt);
  // A late image of an old study makes no study that took weeks to arrive.
  return ms > longestMs
    ? history
    : learnSize(history, { modality, station, instances, bytes, seconds: ms / 1000 });
}
