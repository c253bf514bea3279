import { bounded, type Stop, Stopped } from '../backends/bounded.ts';
import { troubleOf } from '../backends/trouble.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import type { Clock, EpochMs } from '../study.ts';
import type { Holdings } from './decide.ts';

export interface Lookup extends Holdings {
  /** When the last of them had answered, or was given up. */
  readonly at: EpochMs;
}

export interface LookupOptions {
  readonly backends: ReadonlyMap<string, Pick<Orthanc, 'studyInstances'>>;
  /** Nobody is waited for longer than this. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * How long a backend that was too late the last time is waited for, until it is given the full time again. The more of them there are the
 * longer the service takes to ask and to read: none of them is late by that.
 */
const short = { leastMs: 50, msForEach: 0.25 };
const untilPatientMs = 5_000;

/**
 * Asks all backends at once how much of a study they hold.
 *
 * A backend that hangs would cost every new study the full time-out, and with that slow down all the others' images. So
 * one that was too late gets a short time only, and one study every few seconds tries it with the full time. It is asked all
 * the same: if it answers in the short time it is trusted again.
 *
 * What is returned throws `Stopped` when its room stops, and nothing else.
 */
export function createLookup(options: LookupOptions): (studyUid: string, stop: Stop) => Promise<Lookup> {
  const { backends, timeoutMs, clock } = options;
  const shortMs = Math.min(timeoutMs, Math.max(short.leastMs, short.msForEach * backends.size));
  /** Backends that were too late, with the time at which the next full try is due. */
  const late = new Map<string, EpochMs>();

  function limitFor(backend: string, now: EpochMs): number {
    const due = late.get(backend);
    if (due === undefined) return timeoutMs;
    if (now < due) return shortMs;
    // This study is the one that tries; those that come meanwhile do not wait with it.
    late.set(backend, now + untilPatientMs);
    return timeoutMs;
  }

  /** Hardly any study is held anywhere. Ten thousand that wait on a thousand backends would keep ten million times "holds nothing". */
  let lastEmpty: { readonly holdings: Holdings; readonly key: string } | null = null;

  function shared(holdings: Holdings): Holdings {
    const { held, silent } = holdings;
    for (const instances of held.values()) if (instances > 0) return holdings;
    const key = [...silent].map((one) => one.join('\n')).join('\n');
    if (lastEmpty?.key !== key || lastEmpty.holdings.held.size !== held.size) lastEmpty = { holdings, key };
    return lastEmpty.holdings;
  }

  return async function lookup(studyUid, stop) {
    const began = clock();
    const held = new Map<string, number>();
    const silent = new Map<string, string>();
    await Promise.all(
      [...backends].map(async ([name, backend]) => {
        const limitMs = limitFor(name, began);
        const asked = performance.now();
        try {
          const ask = (own: AbortSignal): Promise<number> =>
            backend.studyInstances(studyUid, { signal: own, timeoutMs: limitMs });
          held.set(name, await bounded(limitMs, ask, stop));
          late.delete(name);
        } catch (error) {
          silent.set(name, troubleOf(error));
          // By the time it took and not by its kind: a connection that breaks after a second cost a second too.
          const slow = performance.now() - asked >= shortMs - 1;
          if (slow && !late.has(name)) late.set(name, clock() + untilPatientMs);
        }
      }),
    );
    if (stop.stopped) throw new Stopped();
    return { at: clock(), ...shared({ held, silent }) };
  };
}
