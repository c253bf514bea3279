/** The event loop is given back after this long, so that hooks are answered in between. */
const sliceMs = 2;
/** Nothing waits longer than this to be begun, however long the turns are: whoever asks has a time limit. */
const longestMs = 10;

/**
 * Spreads what is begun for many Orthancs at once over the turns of the event loop. Sixteen studies that are looked up on sixty-four
 * backends are a thousand questions: all asked and answered in one turn they would be some tens of milliseconds in which no hook is answered.
 *
 * How many are under way is not limited: those of an Orthanc that hangs would take the places of all others.
 */
export class Turns {
  readonly #waiting: { readonly job: () => void; readonly since: number }[] = [];
  #planned = false;

  /** @param job begins something in a later turn; must not throw */
  plan(job: () => void): void {
    this.#waiting.push({ job, since: performance.now() });
    this.#planNext();
  }

  #planNext(): void {
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      const began = performance.now();
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        const now = performance.now();
        if (now - began > sliceMs && now - next.since < longestMs) break;
        this.#waiting.shift();
        next.job();
      }
      if (this.#waiting.length > 0) this.#planNext();
    });
  }
}
