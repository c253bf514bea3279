import type { Response } from 'express';

type Kind = 'token' | 'session';

/**
 * Answers that are still being given, by whom they are given to. A stream of events lasts for days; it must end when its token is
 * revoked or its session is signed out, and not when the browser next happens to connect.
 */
export class UnderWay {
  readonly #answers = new Map<string, Set<Response>>();

  static key(kind: Kind, id: string): string {
    return `${kind} ${id}`;
  }

  /** Until it is over. */
  add(keys: readonly string[], answer: Response): void {
    for (const key of keys) {
      const those = this.#answers.get(key) ?? new Set();
      this.#answers.set(key, those.add(answer));
    }
    answer.once('close', () => {
      for (const key of keys) {
        const those = this.#answers.get(key);
        those?.delete(answer);
        if (those?.size === 0) this.#answers.delete(key);
      }
    });
  }

  /** Ids of this kind that something is being answered to. */
  keys(kind: Kind): readonly string[] {
    return [...this.#answers.keys()]
      .filter((key) => key.startsWith(`${kind} `))
      .map((key) => key.slice(kind.length + 1));
  }

  end(kind: Kind, id: string): void {
    for (const answer of this.#answers.get(UnderWay.key(kind, id)) ?? []) answer.destroy();
  }
}
