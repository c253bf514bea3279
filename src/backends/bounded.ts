/** Something was given up because its time was over. */
export class TooLate extends Error {
  readonly limitMs: number;
  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`);
    this.name = 'TooLate';
    this.limitMs = limitMs;
  }
}

/**
 * Says once that a room is stopping, to everything it has under way. Not an AbortSignal: taking a listener off one of those
 * looks through all the others, which with a thousand requests under way takes longer than the requests.
 */
export class Stop {
  #stopped = false;
  readonly #listeners = new Set<() => void>();

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** Returns the way to stop listening. */
  onStop(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

/** Something was given up because its room is stopping. */
export class Stopped extends Error {
  constructor() {
    super('stopped');
    this.name = 'Stopped';
  }
}

/**
 * Runs something, and rejects with `TooLate` when it takes longer than `limitMs`, whether or not it heeds the signal that is
 * aborted then: one Orthanc that hangs must never hold what waits for many. With `Stopped` when its room stops.
 */
export async function bounded<T>(
  limitMs: number,
  run: (signal: AbortSignal) => Promise<T>,
  stop?: Stop,
): Promise<T> {
  if (stop?.stopped === true) throw new Stopped();
  const controller = new AbortController();
  const end = Promise.withResolvers<never>();
  const giveUp = (reason: Error): void => {
    // Rejected before aborting: otherwise the callee's word for being aborted would be the error the caller sees.
    end.reject(reason);
    controller.abort(reason);
  };
  const forget = stop?.onStop(() => giveUp(new Stopped()));
  let last: NodeJS.Immediate | undefined;
  // Timers come before what has arrived on the network: after a turn of the event loop that was longer than the limit the answer may be
  // there, and it was not the Orthanc that was late. It is given the rest of this turn.
  const timer = setTimeout(() => {
    last = setImmediate(() => giveUp(new TooLate(limitMs)));
  }, limitMs);
  try {
    const started = async (): Promise<T> => await run(controller.signal);
    // What loses the race has a handler all the same: its late failure is nobody's unhandled rejection.
    return await Promise.race([end.promise, started()]);
  } finally {
    clearTimeout(timer);
    clearImmediate(last);
    forget?.();
  }
}
