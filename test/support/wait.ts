import { setTimeout as sleep } from 'node:timers/promises';

export interface Wait {
  /** What is waited for, as the end of the sentence "gave up waiting for …". */
  readonly what: string;
  /** Default 15,000 ms: long enough for a machine that is busy with something else. */
  readonly timeoutMs?: number;
  /** Default 20 ms. */
  readonly intervalMs?: number;
}

/**
 * Asks again and again until the condition gives something other than false, null or undefined, and returns that.
 * A condition that throws is not fulfilled yet; what it threw last is the cause of the final error.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 15_000, intervalMs = 20 }: Wait,
): Promise<Exclude<T, false | null | undefined>> {
  const givenUpAt = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await condition();
      if (isFulfilled(answer)) return answer;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= givenUpAt) {
      const because = lastError instanceof Error ? ` (last: ${lastError.message})` : '';
      throw new Error(`gave up waiting for ${what} after ${timeoutMs} ms${because}`, { cause: lastError });
    }
    await sleep(intervalMs);
  }
}

function isFulfilled<T>(answer: T): answer is Exclude<T, false | null | undefined> {
  return answer !== false && answer !== null && answer !== undefined;
}
