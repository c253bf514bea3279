import type { EpochMs } from '../study.ts';

/** What an exchange with an Orthanc told of it. `at`: when it began, since that is how old the knowledge is. */
export interface Observation {
  readonly at: EpochMs;
  readonly up: boolean;
  /** What was wrong; null when it is up. */
  readonly reason: string | null;
}

/**
 * Health as polling tells it. One silence says nothing yet (a pause, a lost packet), several in a row mean down, one
 * answer means up again: the images that wait for it are worth a try.
 */
export type HealthState =
  | {
      readonly kind: 'unknown';
      readonly since: EpochMs;
      readonly asOf: EpochMs;
      readonly silence: Silence | null;
    }
  | { readonly kind: 'up'; readonly since: EpochMs; readonly asOf: EpochMs; readonly silence: Silence | null }
  | { readonly kind: 'down'; readonly since: EpochMs; readonly asOf: EpochMs; readonly reason: string };

/** Misses in a row that do not make it down yet. */
export interface Silence {
  readonly misses: number;
  /** The first of them. */
  readonly since: EpochMs;
  readonly reason: string;
}

export function unheard(now: EpochMs): HealthState {
  return { kind: 'unknown', since: now, asOf: Number.NEGATIVE_INFINITY, silence: null };
}

/**
 * The state after an observation. Knowledge that is older than what is known already changes nothing: a poll that hung for
 * seconds must not contradict an exchange that began after it.
 */
export function observe(state: HealthState, observation: Observation, downAfter: number): HealthState {
  const { at } = observation;
  if (at < state.asOf) return state;
  if (observation.up) {
    return { kind: 'up', since: state.kind === 'up' ? state.since : at, asOf: at, silence: null };
  }
  const reason = observation.reason ?? 'no answer';
  if (state.kind === 'down') return { ...state, asOf: at, reason };
  const silence: Silence = {
    misses: (state.silence?.misses ?? 0) + 1,
    since: state.silence?.since ?? at,
    reason,
  };
  if (silence.misses >= downAfter) return { kind: 'down', since: silence.since, asOf: at, reason };
  return { ...state, asOf: at, silence };
}

/** Why its health is what it is, for a person; null when there is nothing to say. Holds no figure that changes by itself. */
export function healthReason(state: HealthState, url: string): string | null {
  switch (state.kind) {
    case 'up':
      return null;
    case 'unknown':
      return state.silence === null
        ? 'not heard from yet'
        : `no answer yet at ${url} (${state.silence.reason})`;
    case 'down':
      return `no usable answer at ${url} since ${instant(state.since)} (${state.reason})`;
  }
}

/** With its date: what is down may have been so for days. */
function instant(at: EpochMs): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
