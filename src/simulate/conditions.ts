import { type LogNormal, type Random, randomOf } from './random.ts';
import type { Condition } from './world.ts';

/** Something that happens to a backend. Times in seconds. */
export type BackendEvent =
  | { readonly at: number; readonly kind: 'speed'; readonly factor: number }
  /** Nothing moves, and polls are answered. */
  | { readonly at: number; readonly kind: 'stall' }
  /** It refuses connections. */
  | { readonly at: number; readonly kind: 'crash' }
  /** Whatever it was, it is over. */
  | { readonly at: number; readonly kind: 'recover' };

/** What goes on at a backend beside what it is sent. */
export interface Troubles {
  /** What others take of it: between `mean` − `swing` and `mean` + `swing`, another share every so many seconds; null: nobody. */
  readonly otherLoad: { readonly mean: number; readonly swing: number; readonly every: number } | null;
  /** Moments in which it does nothing, a disk that flushes, a memory that is tidied: how often, and how long; null: none. */
  readonly hiccups: { readonly every: number; readonly seconds: LogNormal } | null;
}

interface Change {
  readonly at: number;
  apply(state: State): void;
}

interface State {
  factor: number;
  free: number;
  hiccups: number;
  reach: 'well' | 'stalled' | 'crashed';
}

/** Others never take more than this share. */
const mostOtherLoad = 0.95;

/** The conditions of one backend from its events and its troubles, until `until`; then its speed stays as the events left it. */
export function conditionsOf(
  events: readonly BackendEvent[],
  { otherLoad, hiccups }: Troubles,
  { seed, name, until }: { readonly seed: number; readonly name: string; readonly until: number },
): Condition[] {
  const changes = [
    ...events.map(changeOf),
    ...(otherLoad === null ? [] : loadChanges(otherLoad, randomOf(seed, `others on ${name}`), until)),
    ...(hiccups === null ? [] : hiccupChanges(hiccups, randomOf(seed, `hiccups of ${name}`), until)),
  ].toSorted((a, b) => a.at - b.at);
  const state: State = { factor: 1, free: 1, hiccups: 0, reach: 'well' };
  return changes.map((change) => {
    change.apply(state);
    const steady = state.reach === 'well' ? state.factor * state.free : 0;
    return {
      at: change.at,
      speed: state.hiccups > 0 ? 0 : steady,
      steady,
      answers: state.reach !== 'crashed',
    };
  });
}

function changeOf(event: BackendEvent): Change {
  const { at } = event;
  switch (event.kind) {
    case 'speed':
      return { at, apply: (state) => void (state.factor = event.factor) };
    case 'stall':
      return { at, apply: (state) => void (state.reach = 'stalled') };
    case 'crash':
      return { at, apply: (state) => void (state.reach = 'crashed') };
    case 'recover':
      return {
        at,
        apply(state) {
          state.reach = 'well';
          state.factor = 1;
        },
      };
  }
}

function loadChanges(
  { mean, swing, every }: NonNullable<Troubles['otherLoad']>,
  random: Random,
  until: number,
): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < until; at += every * (0.5 + random.uniform())) {
    const share = Math.min(mostOtherLoad, Math.max(0, mean + swing * (2 * random.uniform() - 1)));
    changes.push({ at, apply: (state) => void (state.free = 1 - share) });
  }
  if (changes.length > 0) changes.push({ at: until, apply: (state) => void (state.free = 1) });
  return changes;
}

function hiccupChanges(
  { every, seconds }: NonNullable<Troubles['hiccups']>,
  random: Random,
  until: number,
): Change[] {
  const changes: Change[] = [];
  for (let at = random.exponential(every); at < until; at += random.exponential(every)) {
    changes.push({ at, apply: (state) => void state.hiccups++ });
    changes.push({ at: at + random.logNormal(seconds), apply: (state) => void state.hiccups-- });
  }
  return changes;
}
