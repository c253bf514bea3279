import type { EpochMs, StudySize, StudyToPlace } from '../../study.ts';
import { type Candidate, type Choice, mostConsidered, type Policy, type Score } from '../policy.ts';
import { isBetter, type Prospect, prospectOf } from '../prospect.ts';
import { uniform } from '../uniform.ts';

/** What may be switched off, to see what it is good for. */
export interface ExpectedCompletionOptions {
  /**
   * A study goes to a backend with a free lane instead of the best one, which has none, if it is available there at most so many
   * times later, counted from the arrival of its last image.
   */
  readonly hysteresis: number;
  /** False: a study is bound to the best backend at once, whether a lane is free there or not. */
  readonly lateBinding: boolean;
  /** `arrived`: a study is taken for no larger than what has arrived of it. */
  readonly size: 'expected' | 'arrived';
  /** False: how a backend has been doing lately is not looked at. */
  readonly efficiency: boolean;
  /** True: one speed for each backend instead of one for instances and one for bytes. */
  readonly oneParameter: boolean;
  /** False: a backend nothing is known of gets no study for the sake of knowing. */
  readonly exploration: boolean;
  /** False: a study that waits for a backend is not seen by those behind it. */
  readonly virtualPlaces: boolean;
}

const usual: ExpectedCompletionOptions = {
  hysteresis: 1.3,
  lateBinding: true,
  size: 'expected',
  efficiency: true,
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

/** Each study where it is expected to be available soonest; while that one is busy, it is better to wait for it than to be early on a slow one. */
export const expectedCompletion: Policy = expectedCompletionWith({});

/** The same with parts of it changed or switched off. */
export function expectedCompletionWith(changes: Partial<ExpectedCompletionOptions>): Policy {
  const options = { ...usual, ...changes };
  return {
    name: 'expected-completion',
    choose: (study, candidates, now) => choose(study, candidates, now, options),
  };
}

function choose(
  study: StudyToPlace,
  candidates: readonly Candidate[],
  now: EpochMs,
  options: ExpectedCompletionOptions,
): Choice {
  const { instances, bytes } = study;
  const size = options.size === 'expected' ? study.expected : { instances, bytes, arrivesIn: 0 };
  const prospects = candidates.map((candidate) => prospectOf(size, candidate, now, options));
  const best = bestOf(prospects);
  if (best === null) throw new RangeError('a policy was asked to choose among no backends');

  const untried = options.exploration ? trialOf(study, size, prospects, best, now) : null;
  if (untried !== null) {
    const why =
      untried.candidate.service.sampledAt === null
        ? 'nothing is known yet of its speed'
        : 'nothing was sent there for two minutes';
    return placed(untried, `a small study to try it with: ${why}`, prospects, best, size);
  }
  if (best.isFree || !options.lateBinding) {
    return placed(best, 'expected to be available there soonest', prospects, best, size);
  }
  const free = bestOf(prospects.filter((prospect) => prospect.isFree));
  const after = ({ seconds }: Prospect): number => seconds - size.arrivesIn;
  if (free !== null && after(free) <= options.hysteresis * after(best)) {
    const reason = `a lane is free there, and waiting for ${best.candidate.backend} would gain little`;
    return placed(free, reason, prospects, best, size);
  }
  return {
    kind: 'wait',
    backend: options.virtualPlaces ? best.candidate.backend : null,
    // No backend is named: which one it is may change with every transfer that ends, and each reason is kept for each study.
    reason:
      free === null
        ? 'waits for a free lane: every backend has its lanes full'
        : 'waits for a free lane of a faster backend: even so it is available there sooner than where a lane is free now',
    scores: scoresOf(prospects, size, best, best, 'wait'),
  };
}

function placed(
  chosen: Prospect,
  reason: string,
  prospects: readonly Prospect[],
  best: Prospect,
  size: StudySize,
): Choice {
  const { backend } = chosen.candidate;
  return { kind: 'place', backend, reason, scores: scoresOf(prospects, size, best, chosen, 'place') };
}

function bestOf(prospects: readonly Prospect[]): Prospect | null {
  let best: Prospect | null = null;
  for (const prospect of prospects) if (best === null || isBetter(prospect, best)) best = prospect;
  return best;
}

/**
 * The backend this study should be used to find out about; null: none. A backend that was slow is avoided, so without this nobody would
 * ever see that it has recovered.
 */
function trialOf(
  { studyUid }: StudyToPlace,
  size: StudySize,
  prospects: readonly Prospect[],
  best: Prospect,
  now: EpochMs,
): Prospect | null {
  if (size.instances > trial.instances || size.bytes > trial.bytes || size.arrivesIn > trial.arrivesIn) {
    return null;
  }
  const untried = prospects.filter(
    ({ candidate, isFree, seconds }) =>
      isFree && isUntried(candidate, now) && seconds <= best.seconds + trial.seconds,
  );
  // Drawn from the study's UID and not from chance: the same study among the same backends meets the same decision.
  if (untried.length === 0 || uniform(studyUid, 'trial') >= trialShare) return null;
  return untried.reduce((oldest, one) =>
    one.candidate.lastPlacement < oldest.candidate.lastPlacement ? one : oldest,
  );
}

/** Nothing was heard of it for long, and nothing is on its way there: one study at a time. */
function isUntried({ service, studiesInFlight, busyLanes, reserved }: Candidate, now: EpochMs): boolean {
  const isStale = service.sampledAt === null || now - service.sampledAt >= staleMs;
  return isStale && studiesInFlight === 0 && busyLanes === 0 && reserved.instances <= 0;
}

function scoresOf(
  prospects: readonly Prospect[],
  size: StudySize,
  best: Prospect,
  chosen: Prospect,
  kind: Choice['kind'],
): readonly Score[] {
  const kept =
    prospects.length <= mostConsidered ? prospects : new Set([chosen, ...firstOf(prospects, scored)]);
  return [...kept].map((prospect) => ({
    backend: prospect.candidate.backend,
    score: prospect.seconds,
    inputs: inputsOf(prospect, size),
    passedOver: passedOver(prospect, best, chosen, kind),
  }));
}

/** The best so many, in no order. One pass; sorting a thousand for each study would be most of a decision. */
function firstOf(prospects: readonly Prospect[], count: number): readonly Prospect[] {
  const kept: Prospect[] = [];
  for (const prospect of prospects) {
    const last = kept.at(-1);
    if (kept.length >= count && last !== undefined && !isBetter(prospect, last)) continue;
    const at = kept.findIndex((one) => isBetter(prospect, one));
    kept.splice(at === -1 ? kept.length : at, 0, prospect);
    if (kept.length > count) kept.pop();
  }
  return kept;
}

function passedOver(one: Prospect, best: Prospect, chosen: Prospect, kind: Choice['kind']): string | null {
  if (one === chosen && kind === 'place') return null;
  if (one === best && kind === 'wait') return 'the one it waits for: no free lane now';
  const later = one.seconds - chosen.seconds;
  // Also where both are out of all measure, and the difference of the two is no number.
  if (!(Math.abs(later) > 0)) return 'equal, and more booked or used more recently';
  const when = `available ${figure(Math.abs(later))} s ${later < 0 ? 'sooner' : 'later'}`;
  if (later < 0) return one.isFree ? `${when}, but another one is tried` : `${when} after waiting for a lane`;
  return one.isFree ? when : `${when}, and no free lane now`;
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
