/**
 * Virtual time. Nothing in a history waits for a real clock: timers, `setImmediate` and the answers of simulated Orthancs
 * are steps in one queue, ordered by their time and then by when they were planned, so that the same history runs the same way.
 *
 * Each step belongs to an owner: 0 is the world, every run of the service has a number of its own. When a run dies its steps are
 * dropped, which is what a killed process is: its memory never runs again.
 */
export interface Step {
  readonly at: number;
  readonly seq: number;
  readonly owner: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** The world's own steps. */
export const world = 0;

const realSetImmediate = globalThis.setImmediate;
const realClearTimeout = globalThis.clearTimeout;

export class VirtualTime {
  now: number;
  /** Whose code runs now. */
  owner = world;
  /** Steps run so far. */
  steps = 0;
  #seq = 0;
  readonly #queue: Step[] = [];
  readonly #dead = new Set<number>();

  constructor(start: number) {
    this.now = start;
  }

  /** Plans a step `ms` from now. */
  after(ms: number, owner: number, run: () => void): Step {
    if (Number.isNaN(ms)) throw new Error('a timer of no length');
    // Whole milliseconds, as those of a real clock: the ledger takes nothing else.
    const at = this.now + Math.max(0, Math.ceil(ms));
    this.#seq += 1;
    const step: Step = { at, seq: this.#seq, owner, run, cancelled: false };
    // From the end: most steps are planned later than what waits.
    let place = this.#queue.length;
    while (place > 0 && (this.#queue[place - 1]?.at ?? 0) > at) place -= 1;
    this.#queue.splice(place, 0, step);
    return step;
  }

  isDead(owner: number): boolean {
    return this.#dead.has(owner);
  }

  /** From now on nothing of this owner runs. */
  kill(owner: number): void {
    this.#dead.add(owner);
  }

  /** When the next step is due; null when nothing is planned. */
  nextAt(): number | null {
    this.#skip();
    return this.#queue[0]?.at ?? null;
  }

  /** Runs the next step, and everything that follows from it without waiting. False: nothing was planned. */
  async step(): Promise<boolean> {
    this.#skip();
    const step = this.#queue.shift();
    if (step === undefined) return false;
    this.now = Math.max(this.now, step.at);
    await this.as(step.owner, step.run);
    this.steps += 1;
    return true;
  }

  /** Runs something as its owner, until nothing of it can go on without another step. */
  async as(owner: number, run: () => void): Promise<void> {
    this.owner = owner;
    try {
      run();
    } catch (error) {
      // What a process that has just died throws ends what it was doing, and nothing else.
      if (!this.isDead(owner)) throw error;
    }
    await settled();
    this.owner = world;
  }

  #skip(): void {
    for (;;) {
      const first = this.#queue[0];
      if (first === undefined || !(first.cancelled || this.#dead.has(first.owner))) return;
      this.#queue.shift();
    }
  }
}

/** Microtasks and ticks run to their end before the event loop comes to this. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    realSetImmediate(resolve);
  });
}

let active: VirtualTime | null = null;

function current(): VirtualTime {
  if (active === null) throw new Error('a timer of the rooms outside of a history');
  return active;
}

/** What a room gets for a timer: enough of Node's to be cleared, and to have `unref` called. */
class Handle {
  step: Step | null = null;
  ended = false;
  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  end(): void {
    this.ended = true;
    if (this.step !== null) this.step.cancelled = true;
  }
}

function startTimeout(run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Handle {
  const time = current();
  const handle = new Handle();
  handle.step = time.after(Math.max(1, ms), time.owner, () => run(...args));
  return handle;
}

function startInterval(run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Handle {
  const time = current();
  const { owner } = time;
  const handle = new Handle();
  const again = (): void => {
    handle.step = time.after(Math.max(1, ms), owner, () => {
      if (handle.ended) return;
      again();
      run(...args);
    });
  };
  again();
  return handle;
}

function startImmediate(run: (...args: unknown[]) => void, ...args: unknown[]): Handle {
  const time = current();
  const handle = new Handle();
  handle.step = time.after(0, time.owner, () => run(...args));
  return handle;
}

function endTimer(handle: unknown): void {
  if (handle instanceof Handle) handle.end();
  // A timer that is older than the history, of the test's own surroundings.
  else if (handle instanceof Object && 'hasRef' in handle) realClearTimeout(handle as NodeJS.Timeout);
}

/** As those of Node reject with. */
function abortError(): Error {
  return new DOMException('The operation was aborted', 'AbortError');
}

/** In place of `node:timers/promises`. */
export const timersPromises = {
  setImmediate: <T>(value?: T): Promise<T | undefined> =>
    new Promise((resolve) => {
      startImmediate(() => resolve(value));
    }),
  setTimeout: <T>(
    ms?: number,
    value?: T,
    options?: { readonly signal?: AbortSignal },
  ): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted === true) {
        reject(abortError());
        return;
      }
      const handle = startTimeout(() => resolve(value), ms);
      signal?.addEventListener('abort', () => {
        handle.end();
        reject(abortError());
      });
    }),
};

/**
 * Puts virtual time in the place of the process's timers, and gives the way back. The rooms take their clock as a parameter, but
 * several call the timers of Node themselves; giving each of them an option for the sake of this test alone was rejected.
 */
export function takeOver(time: VirtualTime): () => void {
  if (active !== null) throw new Error('one history at a time');
  active = time;
  const before = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    setImmediate: globalThis.setImmediate,
    clearImmediate: globalThis.clearImmediate,
  };
  const start = time.now;
  const now = Object.getOwnPropertyDescriptor(performance, 'now');
  Object.assign(globalThis, {
    setTimeout: startTimeout,
    clearTimeout: endTimer,
    setInterval: startInterval,
    clearInterval: endTimer,
    setImmediate: startImmediate,
    clearImmediate: endTimer,
  });
  performance.now = () => time.now - start;
  return () => {
    Object.assign(globalThis, before);
    // What is the prototype's comes back by itself.
    if (now === undefined) Reflect.deleteProperty(performance, 'now');
    else Object.defineProperty(performance, 'now', now);
    active = null;
  };
}
