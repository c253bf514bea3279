/** Started in one turn of the event loop: with what comes back of them about two milliseconds. */
const perTurn = 32;

/**
 * Spreads what is begun for many Orthancs at once over the turns of the event loop. Sixteen studies that are looked up on sixty-four
 * backends are a thousand questions: all asked and answered in one turn they would be fifty milliseconds in which no hook is answered.
 *
 * How many are under way is not limited: those of an Orthanc that hangs would take the places of all others.
 */
export class Turns {
  readonly #waiting: (() => number)[] = [];
  #planned = false;

  /** @param job begins something in a later turn, and returns how many questions that were; must not throw */
  plan(job: () => number): void {
    this.#waiting.push(job);
    this.#planNext();
  }

  #planNext(): void {
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      let begun = 0;
      while (begun < perTurn) {
        const job = this.#waiting.shift();
        if (job === undefined) return;
        begun += job();
      }
      if (this.#waiting.length > 0) this.#planNext();
    });
  }
}
