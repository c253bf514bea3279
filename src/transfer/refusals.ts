import type { EpochMs } from '../study.ts';

/** After so many refusals of an instance that was sent alone, each while its backend took others, the backend has refused it. */
const whileItTakesOthers = 5;
/** When it takes nothing else meanwhile, since nothing else comes: so many, over at least so long. */
const inAll = 12;
const overMs = 10 * 60_000;
/** Damaged so often in a row, an instance waits for a person. */
const damages = 5;

interface Refused {
  readonly first: EpochMs;
  last: EpochMs;
  times: number;
  whileItTookOthers: number;
}

/**
 * Counts what happens to instances that fail alone, for each backend. Giving up sooner would send images away for a passing fault of
 * a backend's disk; trying for ever would hide them from everybody. In memory only: after a restart the counting begins
 * anew, which costs a few tries and loses nothing.
 */
export class RefusalCount {
  readonly #refused = new Map<string, Refused>();
  readonly #damaged = new Map<string, number>();
  readonly #proven = new Map<string, EpochMs>();

  /** The backend has just taken something. */
  provenOn(backend: string, now: EpochMs): void {
    this.#proven.set(backend, now);
  }

  /** Notes a refusal; true when the backend will not take this instance. */
  refused(instance: number, backend: string, now: EpochMs): boolean {
    const key = keyOf(instance, backend);
    const before = this.#refused.get(key);
    if (before === undefined) {
      this.#refused.set(key, { first: now, last: now, times: 1, whileItTookOthers: 1 });
      return false;
    }
    if ((this.#proven.get(backend) ?? Number.NEGATIVE_INFINITY) >= before.last) before.whileItTookOthers++;
    before.times++;
    before.last = now;
    return (
      before.whileItTookOthers >= whileItTakesOthers ||
      (before.times >= inAll && before.last - before.first >= overMs)
    );
  }

  /** It arrived with other content than was sent; true when that was once too often. */
  damaged(instance: number, backend: string): boolean {
    const key = keyOf(instance, backend);
    const times = (this.#damaged.get(key) ?? 0) + 1;
    this.#damaged.set(key, times);
    return times >= damages;
  }

  /** It was delivered, or is nobody's business here any more. */
  forget(instance: number, backend: string): void {
    const key = keyOf(instance, backend);
    this.#refused.delete(key);
    this.#damaged.delete(key);
  }
}

function keyOf(instance: number, backend: string): string {
  return `${instance} ${backend}`;
}
