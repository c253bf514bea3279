import type { EpochMs, StudySize } from '../../study.ts';

/**
 * How large a study will be, and how long it will go on arriving, when only its first images are here: nobody says so in
 * advance. DICOM has Number of Study Related Instances, but that is an answer to a query, and modalities do not send it along.
 */

/** What is known of a study while it arrives. */
export interface ArrivingStudy {
  readonly modality: string | null;
  readonly station: string | null;
  readonly instances: number;
  readonly bytes: number;
  readonly firstSeenAt: EpochMs;
  readonly lastNewsAt: EpochMs;
}

/** Sizes of the studies that arrived last, by modality and by station and modality. Plain data, made anew from the ledger at a start. */
export interface SizeHistory {
  /** The latest last, in both: keys and studies. */
  readonly byKey: ReadonlyMap<string, readonly FinishedStudy[]>;
}

export interface FinishedStudy {
  readonly instances: number;
  readonly bytes: number;
  /** From its first instance to its last. */
  readonly seconds: number;
}

/** A finished study with what it is remembered under. */
export interface NamedStudy extends FinishedStudy {
  readonly modality: string | null;
  readonly station: string | null;
}

/** Studies remembered under one key, and keys: a few megabytes at most, however many stations there are or claim to be. */
const keptStudies = 64;
const keptKeys = 2_000;
/** A median of fewer is left to the next wider key. */
const enoughStudies = 4;
/** What has outgrown everything that is known of its kind is expected to grow by so much more. */
const outgrown = 1.25;
/** Own images that count as much as the history's when the size and the pace of an image are estimated. */
const historyWeight = 4;
/** A study is taken as whole when nothing came for so many times its usual gap, and for so many seconds. */
const wholeAfter = { gaps: 10, seconds: 3 };
/** Seconds from image to image at least, and until the last image at most. */
const shortestGap = 0.001;
const longestArrival = 1800;

/** Before any history: rough medians of common kinds; their seconds are those of a modality that sends without being hurried. */
const priors: Readonly<Record<string, FinishedStudy>> = {
  CR: { instances: 2, bytes: 16e6, seconds: 2 },
  DX: { instances: 2, bytes: 16e6, seconds: 2 },
  US: { instances: 30, bytes: 36e6, seconds: 30 },
  CT: { instances: 350, bytes: 185e6, seconds: 30 },
  MR: { instances: 300, bytes: 65e6, seconds: 30 },
  XA: { instances: 8, bytes: 120e6, seconds: 20 },
  MG: { instances: 4, bytes: 130e6, seconds: 10 },
  NM: { instances: 6, bytes: 5e6, seconds: 5 },
  PT: { instances: 900, bytes: 270e6, seconds: 60 },
};
const anyStudy: FinishedStudy = { instances: 20, bytes: 20e6, seconds: 5 };

export function emptyHistory(): SizeHistory {
  return { byKey: new Map() };
}

/** The history with one study more, that is not expected to grow. What it was given is not changed. Nonsense is not learnt. */
export function learnSize(history: SizeHistory, study: NamedStudy): SizeHistory {
  const { instances, bytes, seconds } = study;
  if (!(isSize(instances) && isSize(bytes) && isSize(seconds)) || instances < 1) return history;
  const byKey = new Map(history.byKey);
  for (const key of keysOf(study)) {
    const before = byKey.get(key) ?? [];
    // Taken out and put in again, so that the keys stand in the order of their last use.
    byKey.delete(key);
    byKey.set(key, [...before.slice(1 - keptStudies), { instances, bytes, seconds }]);
  }
  for (const key of byKey.keys()) {
    if (byKey.size <= keptKeys) break;
    byKey.delete(key);
  }
  return { byKey };
}

/**
 * The median of the studies of its station and modality, else of its modality, else a prior; of those only that are at least as
 * large as what has arrived. When nothing has come for long against its pace it is whole.
 */
export function predictSize(history: SizeHistory, arriving: ArrivingStudy, now: EpochMs): StudySize {
  const { instances, bytes, firstSeenAt, lastNewsAt } = arriving;
  const kind = kindOf(history, arriving);
  const quiet = Math.max(0, now - lastNewsAt) / 1000;
  const span = Math.max(0, lastNewsAt - firstSeenAt) / 1000;
  const gapOfKind = kind.seconds / Math.max(1, kind.instances - 1);
  const gap = Math.max(
    shortestGap,
    (span + historyWeight * gapOfKind) / (Math.max(0, instances - 1) + historyWeight),
  );
  const isWhole = quiet > Math.max(wholeAfter.seconds, wholeAfter.gaps * gap);
  const left = isWhole ? 0 : Math.max(0, kind.instances - instances);
  if (left === 0) return { instances, bytes, arrivesIn: 0 };
  const each =
    (bytes + (historyWeight * kind.bytes) / Math.max(1, kind.instances)) / (instances + historyWeight);
  return {
    instances: instances + left,
    bytes: bytes + Math.round(left * each),
    // What is overdue comes at any moment; it is not here, though.
    arrivesIn: Math.min(longestArrival, Math.max(left * gap - quiet, gap)),
  };
}

/** The study that those of its kind which are at least as large have in the middle. */
function kindOf(history: SizeHistory, arriving: ArrivingStudy): FinishedStudy {
  const [ofStation, ofModality] = keysOf(arriving);
  for (const key of [ofStation, ofModality]) {
    const known = rankedOf(history.byKey.get(key));
    const larger = known.atLeast(arriving.instances);
    if (larger >= enoughStudies) return known.middleOf(larger);
  }
  const prior = priors[arriving.modality ?? ''] ?? anyStudy;
  const known = rankedOf(history.byKey.get(ofModality));
  // What is known of the modality beats a prior even where it is little, but not where it is all smaller than what is here.
  const larger = known.atLeast(arriving.instances);
  if (larger > 0) return known.middleOf(larger);
  if (known.count === 0 && prior.instances >= arriving.instances) return prior;
  const base = known.count === 0 ? prior : known.middleOf(known.count);
  const factor = (outgrown * arriving.instances) / base.instances;
  return {
    instances: Math.ceil(outgrown * arriving.instances),
    bytes: base.bytes * factor,
    seconds: base.seconds * factor,
  };
}

/** Studies of one kind, by their number of images. */
interface Ranked {
  readonly count: number;
  /** How many have at least so many images. */
  atLeast(instances: number): number;
  /** Each figure's own median among the largest so many: a study with the middle number of images need not have the middle size. */
  middleOf(largest: number): FinishedStudy;
}

/**
 * By the list itself, which never changes: another study makes another list. A study that arrives is asked about once a second and has
 * one of few answers, so sorting each time is most of what a prediction costs.
 */
const rankings = new WeakMap<readonly FinishedStudy[], Ranked>();
const nothingKnown = ranked([]);

function rankedOf(studies: readonly FinishedStudy[] | undefined): Ranked {
  if (studies === undefined) return nothingKnown;
  let known = rankings.get(studies);
  if (known === undefined) {
    known = ranked(studies);
    rankings.set(studies, known);
  }
  return known;
}

function ranked(studies: readonly FinishedStudy[]): Ranked {
  const sorted = sortedFigures(studies, (study) => study.instances);
  const middles: FinishedStudy[] = [];
  return {
    count: sorted.length,
    atLeast(instances) {
      let low = 0;
      let high = sorted.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((sorted[middle] ?? 0) >= instances) high = middle;
        else low = middle + 1;
      }
      return sorted.length - low;
    },
    middleOf(largest) {
      const least = sorted[sorted.length - largest] ?? 0;
      middles[largest] ??= medians(studies.filter((study) => study.instances >= least));
      return middles[largest];
    },
  };
}

function medians(studies: readonly FinishedStudy[]): FinishedStudy {
  return {
    instances: Math.ceil(median(studies, (study) => study.instances)),
    bytes: median(studies, (study) => study.bytes),
    seconds: median(studies, (study) => study.seconds),
  };
}

function median(studies: readonly FinishedStudy[], figure: (study: FinishedStudy) => number): number {
  const sorted = sortedFigures(studies, figure);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? upper;
  return (lower + upper) / 2;
}

/** Least first. Inserted one after the other: of some dozens that is several times as fast as what the engine sorts with. */
function sortedFigures(
  studies: readonly FinishedStudy[],
  figure: (study: FinishedStudy) => number,
): readonly number[] {
  const sorted: number[] = [];
  for (const study of studies) {
    const value = figure(study);
    let at = sorted.length;
    for (; at > 0; at--) {
      const before = sorted[at - 1] ?? 0;
      if (before <= value) break;
      sorted[at] = before;
    }
    sorted[at] = value;
  }
  return sorted;
}

/** NUL stands in no DICOM text, so no two kinds share a key. What a station calls itself is cut to what DICOM allows, and some. */
function keysOf({ modality, station }: Pick<ArrivingStudy, 'modality' | 'station'>): [string, string] {
  const kind = (modality ?? '').slice(0, 64);
  return [`${kind}\0${(station ?? '').slice(0, 64)}`, kind];
}

/** A figure that a study can have: from nothing to a petabyte. */
function isSize(value: number): boolean {
  return value >= 0 && value <= 1e15;
}
