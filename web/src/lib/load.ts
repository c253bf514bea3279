import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type ApiProblem, asProblem } from './api.ts';

export interface Loaded<T> {
  readonly value: T | null;
  readonly problem: ApiProblem | null;
  /** Nothing has come yet. */
  readonly loading: boolean;
  /** Asks again now. */
  readonly again: () => void;
}

/**
 * What a question to the API was answered with, kept while it is asked again.
 *
 * @param key what the question depends on; another key is another question, whose answer replaces this one
 * @param everyMs how often it is asked anew while the page is seen; absent: once
 */
export function useLoad<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  key: string,
  everyMs?: number,
): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; problem: ApiProblem | null }>({
    key,
    value: null,
    problem: null,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async (): Promise<void> => {
      try {
        const value = await latest.current(stop.signal);
        if (!stop.signal.aborted) setState({ key, value, problem: null });
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((before) => ({
          key,
          value: before.key === key ? before.value : null,
          problem: asProblem(error),
        }));
      }
      if (everyMs !== undefined && !stop.signal.aborted)
        timer = setTimeout(() => void (document.hidden ? wait() : run()), everyMs);
    };
    const wait = (): void =>
      document.addEventListener('visibilitychange', () => void run(), { once: true, signal: stop.signal });
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, everyMs, turn]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  const isThis = state.key === key;
  return {
    value: isThis ? state.value : null,
    problem: isThis ? state.problem : null,
    loading: !isThis || (state.value === null && state.problem === null),
    again,
  };
}

export interface Action {
  readonly busy: boolean;
  readonly problem: ApiProblem | null;
  /** Runs it; while it runs, a second call does nothing. */
  readonly run: (work: () => Promise<unknown>) => void;
  readonly clear: () => void;
}

/** Something a person asked for: that it runs, and what went wrong with it. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const isBusy = useRef(false);
  const run = useCallback((work: () => Promise<unknown>) => {
    if (isBusy.current) return;
    isBusy.current = true;
    setBusy(true);
    setProblem(null);
    work()
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => {
        isBusy.current = false;
        setBusy(false);
      });
  }, []);
  const clear = useCallback(() => setProblem(null), []);
  return { busy, problem, run, clear };
}
