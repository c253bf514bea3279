/** One line for all jobs of an Orthanc, which share its machine: each is over when what stood before it and its own images are sent. */
export class Pace {
  #imagesPerSecond = Number.POSITIVE_INFINITY;
  /** When what is in the line will have been sent, by `performance.now()`. */
  #sentAt = 0;
  /** Those in the line. */
  readonly #waiting = new Set<() => void>();

  /**
   * From now on. What stands in the line was lined up at the former pace and is let go: it may be thousands of images, which
   * would go on at that pace for as long as they took.
   */
  set(imagesPerSecond: number): void {
    this.#imagesPerSecond = imagesPerSecond;
    this.#sentAt = 0;
    for (const letGo of this.#waiting) letGo();
  }

  /** Resolves when so many images have been sent. */
  async wait(images: number): Promise<void> {
    const now = performance.now();
    this.#sentAt = Math.max(now, this.#sentAt) + (images / this.#imagesPerSecond) * 1000;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, this.#sentAt - now);
    this.#waiting.add(over.resolve);
    await over.promise;
    clearTimeout(timer);
    this.#waiting.delete(over.resolve);
  }
}
