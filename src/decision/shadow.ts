import type { Logger } from 'winston';
import { realTimers, type Timers } from '../backends/timers.ts';
import type { ShadowChoice, ShadowLedger } from '../ledger/shadow.ts';
import type { Clock, EpochMs, StudyToPlace } from '../study.ts';
import { expectedCompletion } from './policies/expected-completion.ts';
import type { Candidate, Choice, Policy } from './policy.ts';

export interface ShadowOptions {
  readonly ledger: Pick<ShadowLedger, 'noteShadow'>;
  /** The policy on trial; null: none. Asked for each study. */
  readonly trial: () => Policy | null;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timers?: Timers;
  /** Milliseconds that grow, for measuring how long the policy on trial thinks. */
  readonly stopwatch?: () => number;
}

export interface ShadowState {
  /** Name of the policy on trial; null: none. */
  readonly trial: string | null;
  /** Studies placed since the start that were not compared: they came faster than the policy on trial may think. */
  readonly leftOut: number;
  /** Comparisons that could not be kept since the start. */
  readonly notKept: number;
}

export interface Shadow {
  /**
   * The same policy, choosing the same; what it places is put to the policy on trial as well, afterwards, on the same study,
   * candidates and time.
   */
  beside(policy: Policy): Policy;
  state(): ShadowState;
  /** Ends what waits to be compared: it is lost, and nothing depends on it. */
  stop(): void;
}

/** One placement that waits to be put to the policy on trial. */
interface Placement {
  readonly policy: string;
  readonly study: StudyToPlace;
  readonly candidates: readonly Candidate[];
  readonly at: EpochMs;
  readonly backend: string;
}

/** Placements that may wait for comparison; they hold the candidates they were made on. */
const capacity = 512;
/** The policy on trial thinks for so long at most before the event loop has its turn, and then rests for so many times as long. */
const sliceMs = 2;
const restFactor = 19;
const keepMs = 30 * 86_400_000;

/**
 * Asks a second policy beside the first and keeps what it would have chosen. Nothing of it reaches a placement: the second policy is
 * asked after the first one's choice was handed on, in turns of the event loop of its own, at most a twentieth of the time; what it
 * throws is kept as its choice; what it cannot do in time is left out, and counted. A worker thread was rejected: each placement
 * would be copied to it with all its candidates, which costs more than the policies do.
 */
export function createShadow(options: ShadowOptions): Shadow {
  const { ledger, trial, clock, log } = options;
  const timers = options.timers ?? realTimers;
  const stopwatch = options.stopwatch ?? (() => performance.now());
  const waiting: Placement[] = [];
  let endTimer: (() => void) | null = null;
  let stopped = false;
  let leftOut = 0;
  let notKept = 0;
  let lastTrouble = '';

  function note(placement: Placement): void {
    if (stopped) return;
    if (waiting.length >= capacity) leftOut++;
    else waiting.push(placement);
    plan(0);
  }

  function plan(ms: number): void {
    if (stopped || endTimer !== null || waiting.length === 0) return;
    endTimer = timers.after(ms, () => {
      endTimer = null;
      compareSome();
    });
  }

  function compareSome(): void {
    const began = stopwatch();
    const choices: ShadowChoice[] = [];
    while (stopwatch() - began < sliceMs) {
      const placement = waiting.shift();
      if (placement === undefined) break;
      const second = trial();
      if (second !== null) choices.push(compare(placement, second));
    }
    keep(choices);
    plan(Math.ceil((stopwatch() - began) * restFactor));
  }

  function keep(choices: readonly ShadowChoice[]): void {
    if (choices.length === 0) return;
    try {
      ledger.noteShadow(choices, clock() - keepMs);
    } catch (error) {
      notKept += choices.length;
      trouble('comparisons with the policy on trial could not be kept', String(error));
    }
  }

  function compare(placement: Placement, second: Policy): ShadowChoice {
    const { study, candidates, at, policy, backend } = placement;
    const common = {
      studyUid: study.studyUid,
      copy: study.copy,
      at,
      policy,
      backend,
      shadow: second.name,
    };
    try {
      const choice = second.choose(study, candidates, at);
      const times = expectedOn([backend, choice.backend], placement);
      return {
        ...common,
        seconds: times.get(backend) ?? null,
        shadowKind: choice.kind,
        shadowBackend: choice.backend,
        shadowSeconds: times.get(choice.backend) ?? null,
        reason: choice.reason,
      };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      trouble('the policy on trial fails', reason);
      return {
        ...common,
        seconds: null,
        shadowKind: 'failed',
        shadowBackend: null,
        shadowSeconds: null,
        reason,
      };
    }
  }

  /** One line for each trouble, not for each study. */
  function trouble(message: string, detail: string): void {
    if (lastTrouble === message + detail) return;
    lastTrouble = message + detail;
    log.warn(message, { detail });
  }

  return {
    beside(policy) {
      if (trial() === null) return policy;
      return {
        ...policy,
        choose(study, candidates, now): Choice {
          const choice = policy.choose(study, candidates, now);
          if (choice.kind === 'place')
            note({ policy: policy.name, study, candidates, at: now, backend: choice.backend });
          return choice;
        },
      };
    },
    state: () => ({ trial: trial()?.name ?? null, leftOut, notKept }),
    stop() {
      stopped = true;
      waiting.length = 0;
      endTimer?.();
      endTimer = null;
    },
  };
}

/**
 * Seconds until the study would be available on each of these, all by the same model, whatever the policies themselves score by: two
 * policies are only comparable by one measure.
 */
function expectedOn(
  backends: readonly string[],
  { study, candidates, at }: Placement,
): ReadonlyMap<string, number> {
  const some = candidates.filter((candidate) => backends.includes(candidate.backend));
  if (some.length === 0) return new Map();
  const { scores } = expectedCompletion.choose(study, some, at);
  return new Map(
    scores.flatMap(({ backend, inputs: { seconds } }) =>
      typeof seconds === 'number' && Number.isFinite(seconds) ? [[backend, seconds] as const] : [],
    ),
  );
}
