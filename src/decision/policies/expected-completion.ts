import type { EpochMs, StudySize, StudyToPlace } from '../../study.ts';
import { createFields, type Field } from '../field.ts';
import {
  type Candidate,
  type Choice,
  type LateBinding,
  mostConsidered,
  type Policy,
  type Score,
} from '../policy.ts';
import { hasFreeLane, type Reckoning, reckon, type Standing } from '../prospect.ts';
import { uniform } from '../uniform.ts';

/** What may be switched off, to see what it is good for. */
export interface ExpectedCompletionOptions {
  /**
   * A study goes to a backend with a free lane instead of the best one, which has none, if its score there is at most so many
   * times as high, both counted from the arrival of its last image.
   */
  readonly hysteresis: number;
  /** False: a study is bound to the best backend at once, whether a lane is free there or not. */
  readonly lateBinding: boolean;
  /** `arrived`: a study is taken for no larger than what has arrived of it. */
  readonly size: 'expected' | 'arrived';
  /** False: how a backend has been doing lately is not looked at. */
  readonly efficiency: boolean;
  /** False: each backend is taken for what was learnt of itself, however little that is. */
  readonly kin: boolean;
  /** False: only when the study itself would be available counts, and not for how long a backend would be booked with it. */
  readonly booked: boolean;
  /** True: one speed for each backend instead of one for instances and one for bytes. */
  readonly oneParameter: boolean;
  /** False: a backend nothing is known of gets no study for the sake of knowing. */
  readonly exploration: boolean;
  /** False: a study that has come whole and waits for a backend is not seen by those behind it. */
  readonly virtualPlaces: boolean;
}

const usual: ExpectedCompletionOptions = {
  // Little, since what is booked counts in the score: with 1.3 the slowest studies ended later by some per cent nearly everywhere.
  hysteresis: 1.05,
  lateBinding: true,
  size: 'expected',
  efficiency: true,
  kin: true,
  booked: true,
  oneParameter: false,
  exploration: true,
  virtualPlaces: true,
};

/** What is known of a backend is out of date after this long without a transfer. */
const staleMs = 120_000;
/** What a study may be that is used to find out: small, soon here, and not much later available even if things stand as they last did. */
const trial = { instances: 50, bytes: 64e6, arrivesIn: 10, seconds: 10 };
/** Of the studies that may be used so many are: otherwise a large farm that is mostly idle would use each of them. */
const trialShare = 0.05;
/** Of more candidates than a decision names, the best so many are scored: making the figures of a thousand would be most of a decision. */
const scored = 16;

/** Differences of fewer seconds are written as 0.0 and not named. */
const leastNamed = 0.05;

const lateBinding: LateBinding = {
  isFree: hasFreeLane,
  noneFree: 'waits for a free lane: every backend has its lanes full',
};

/** Each study where it is expected to be available soonest; while that one is busy, it is better to wait for it than to be early on a slow one. */
export const expectedCompletion: Policy = expectedCompletionWith({});

/** The same with parts of it changed or switched off. */
export function expectedCompletionWith(changes: Partial<ExpectedCompletionOptions>): Policy {
  const options = { ...usual, ...changes };
  const fieldOf = createFields(options);
  return {
    name: 'expected-completion',
    ...(options.lateBinding ? { lateBinding } : {}),
    choose(study, candidates, now) {
      const { instances, bytes } = study;
      const size = options.size === 'expected' ? study.expected : { instances, bytes, arrivesIn: 0 };
      return choose(study, size, fieldOf(size, candidates, now), now, options);
    },
  };
}

function choose(
  study: StudyToPlace,
  size: StudySize,
  field: Field,
  now: EpochMs,
  options: ExpectedCompletionOptions,
): Choice {
  const best = field.standings[field.best];
  if (best === undefined) throw new RangeError('a policy was asked to choose among no backends');

  const untried = options.exploration ? trialOf(study, size, field, now) : -1;
  const tried = field.standings[untried];
  if (tried !== undefined) {
    const why =
      tried.candidate.service.sampledAt === null
        ? 'nothing is known yet of its speed'
        : 'nothing was sent there for two minutes';
    return placed(untried, `a small study to try it with: ${why}`, field, size);
  }
  if (best.isFree || !options.lateBinding) {
    return placed(field.best, 'soonest there, for this study and for those that come next', field, size);
  }
  const after = (index: number): number => (field.scores[index] ?? Number.NaN) - size.arrivesIn;
  if (field.bestFree !== -1 && after(field.bestFree) <= options.hysteresis * after(field.best)) {
    const reason = `a lane is free there, and waiting for ${best.candidate.backend} would gain little`;
    return placed(field.bestFree, reason, field, size);
  }
  return new Waits(
    best.candidate.backend,
    // One that is still arriving will not need its place at once, nor all of it when it does: holding it meanwhile sent those behind to slower
    // backends for nothing. Without any place a thousand that are there wait for the fastest, and a batch ends a tenth later.
    options.virtualPlaces && size.arrivesIn <= 0,
    // No backend is named: which one it is may change with every transfer that ends, and each reason is kept for each study.
    field.bestFree === -1
      ? lateBinding.noneFree
      : 'waits for a free lane of a faster backend: that is better than where a lane is free now',
    shownOf(field, field.best),
    size,
  );
}

function placed(chosen: number, reason: string, field: Field, size: StudySize): Choice {
  const backend = field.standings[chosen]?.candidate.backend ?? '';
  return new Placed(backend, reason, shownOf(field, chosen), size);
}

/**
 * The number of the backend this study should be used to find out about; -1: none. A backend that was slow is avoided, so without this
 * nobody would ever see that it has recovered.
 */
function trialOf(
  { studyUid }: StudyToPlace,
  size: StudySize,
  { standings, scores, best }: Field,
  now: EpochMs,
): number {
  if (size.instances > trial.instances || size.bytes > trial.bytes || size.arrivesIn > trial.arrivesIn) {
    return -1;
  }
  const latest = (scores[best] ?? 0) + trial.seconds;
  let oldest = -1;
  let oldestPlacement = Number.POSITIVE_INFINITY;
  for (let index = 0; index < standings.length; index++) {
    const standing = standings[index];
    if (standing === undefined || !standing.isFree || !isUntried(standing.candidate, now)) continue;
    if (!((scores[index] ?? Number.NaN) <= latest)) continue;
    const { lastPlacement } = standing.candidate;
    if (oldest !== -1 && lastPlacement >= oldestPlacement) continue;
    oldest = index;
    oldestPlacement = lastPlacement;
  }
  // Drawn from the study's UID and not from chance: the same study among the same backends meets the same decision.
  return oldest === -1 || uniform(studyUid, 'trial') >= trialShare ? -1 : oldest;
}

/** Nothing was heard of it for long, and nothing is on its way there: one study at a time. */
function isUntried({ service, studiesInFlight, busyLanes, reserved }: Candidate, now: EpochMs): boolean {
  const isStale = service.sampledAt === null || now - service.sampledAt >= staleMs;
  return isStale && studiesInFlight === 0 && busyLanes === 0 && reserved.instances <= 0;
}

/** Those that are scored, and who of them was the best and who the chosen one. */
interface Shown {
  readonly standings: readonly Standing[];
  readonly best: Standing | undefined;
  readonly chosen: Standing | undefined;
}

function shownOf(field: Field, chosen: number): Shown {
  const { standings, best } = field;
  const ends = { best: standings[best], chosen: standings[chosen] };
  if (standings.length <= mostConsidered) return { ...ends, standings: standings.slice() };
  const kept = [...new Set([chosen, ...field.first(scored)])];
  return { ...ends, standings: kept.flatMap((index) => standings[index] ?? []) };
}

/**
 * The scores are made when they are asked for: most decisions are to go on waiting, and nobody reads why. Classes, since an object with a
 * getter of its own would have a shape of its own for the engine, and each decision makes one.
 */
abstract class Scored {
  readonly reason: string;
  readonly #shown: Shown;
  readonly #size: StudySize;
  #scores: readonly Score[] | null = null;
  abstract readonly kind: Choice['kind'];

  constructor(reason: string, shown: Shown, size: StudySize) {
    this.reason = reason;
    this.#shown = shown;
    this.#size = size;
  }

  get scores(): readonly Score[] {
    this.#scores ??= scoresOf(this.#shown, this.#size, this.kind);
    return this.#scores;
  }
}

class Placed extends Scored {
  readonly kind = 'place';
  readonly backend: string;

  constructor(backend: string, reason: string, shown: Shown, size: StudySize) {
    super(reason, shown, size);
    this.backend = backend;
  }
}

class Waits extends Scored {
  readonly kind = 'wait';
  readonly backend: string;
  readonly holdsPlace: boolean;

  constructor(backend: string, holdsPlace: boolean, reason: string, shown: Shown, size: StudySize) {
    super(reason, shown, size);
    this.backend = backend;
    this.holdsPlace = holdsPlace;
  }
}

/** A standing with what it comes to for the study. */
type Prospect = Standing & Reckoning;

function scoresOf(
  { standings, best, chosen }: Shown,
  size: StudySize,
  kind: Choice['kind'],
): readonly Score[] {
  const prospectOf = (standing: Standing): Prospect => {
    const prospect = { ...standing, score: 0, seconds: 0, booked: 0, ownSeconds: 0 };
    reckon(size, standing, prospect);
    return prospect;
  };
  const other = chosen === undefined ? null : prospectOf(chosen);
  return standings.map((standing) => {
    const prospect = prospectOf(standing);
    const isChosen = standing === chosen && kind === 'place';
    const isAwaited = standing === best && kind === 'wait';
    return {
      backend: standing.candidate.backend,
      score: prospect.score,
      inputs: inputsOf(prospect, size),
      passedOver: isChosen
        ? null
        : isAwaited
          ? 'the one it waits for: no free lane now'
          : passedOver(prospect, other),
    };
  });
}

function passedOver(one: Prospect, chosen: Prospect | null): string {
  const worse = one.score - (chosen?.score ?? Number.NaN);
  // Also where both are out of all measure, and the difference of the two is no number.
  if (chosen === null || !(Math.abs(worse) > 0)) return 'equal, and used more recently';
  const compared = comparison(one, chosen);
  if (worse < 0) {
    return one.isFree ? `${compared}, but another one is tried` : `${compared} after waiting for a lane`;
  }
  return one.isFree ? compared : `${compared}, and no free lane now`;
}

/** When the study would be available there, and for how long the backend would be booked where that is what tells them apart. */
function comparison(one: Prospect, chosen: Prospect): string {
  const later = one.seconds - chosen.seconds;
  const longer = one.booked - chosen.booked;
  const when = `available ${figure(Math.abs(later))} s ${later < 0 ? 'sooner' : 'later'}`;
  const booked = `booked ${figure(Math.abs(longer))} s ${longer < 0 ? 'less' : 'longer'}`;
  if (Math.abs(later) < leastNamed) return booked;
  return later < 0 === one.score < chosen.score ? when : `${when}, but ${booked}`;
}

function inputsOf(prospect: Prospect, size: StudySize): Score['inputs'] {
  const { candidate, secondsPerTransfer, secondsPerInstance, secondsPerByte, quietSeconds } = prospect;
  return {
    instances: size.instances,
    bytes: size.bytes,
    arrivesIn: rounded(size.arrivesIn),
    msPerTransfer: rounded(secondsPerTransfer * 1000),
    msPerInstance: rounded(secondsPerInstance * 1000),
    megabytesPerSecond: rounded(1 / secondsPerByte / 1e6),
    efficiency: rounded(prospect.efficiency),
    lanes: candidate.lanes,
    busyLanes: prospect.busyLanes,
    reservedLanes: rounded(prospect.reservedLanes),
    backlogSeconds: rounded(prospect.backlogSeconds),
    ownSeconds: rounded(prospect.ownSeconds),
    seconds: rounded(prospect.seconds),
    bookedSeconds: rounded(prospect.booked),
    ...(candidate.weight === 1 ? {} : { weight: candidate.weight }),
    ...(quietSeconds === null ? {} : { quietSeconds: rounded(quietSeconds) }),
    ...(candidate.service.samples === 0 ? { speed: 'not measured yet' } : {}),
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function figure(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}
