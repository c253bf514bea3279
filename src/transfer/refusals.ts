import type { EpochMs } from '../study.ts';

/**
 * Counts how often an instance was refused alone since its backend last took another. In memory only: after a restart the
 * counting begins anew, which costs a few tries and loses nothing.
 */
export class RefusalCount {
  readonly #refused = new Map<number, { times: number; last: EpochMs }>();
  readonly #proven = new Map<string, EpochMs>();

  /** The backend has just taken something. */
  provenOn(backend: string, now: EpochMs): void {
    this.#proven.set(backend, now);
  }

  /** Notes a refusal; how many there were, counting only those with something taken in between. */
  count(instance: number, backend: string, now: EpochMs): number {
    const before = this.#refused.get(instance);
    const tookOthers = before !== undefined && (this.#proven.get(backend) ?? 0) >= before.last;
    const times = before === undefined ? 1 : before.times + (tookOthers ? 1 : 0);
    this.#refused.set(instance, { times, last: now });
    return times;
  }

  forget(instance: number): void {
    this.#refused.delete(instance);
  }
}
