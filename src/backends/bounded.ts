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
 * Runs something, and rejects with `TooLate` when it takes longer than `limitMs`, whether or not it heeds the signal that is
 * aborted then: one Orthanc that hangs must never hold what waits for many. `outer` ends it earlier.
 */
export async function bounded<T>(
  limitMs: number,
  run: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const end = Promise.withResolvers<never>();
  const giveUp = (reason: Error): void => {
    // Rejected before aborting: otherwise the callee's word for being aborted would be the error the caller sees.
    end.reject(reason);
    controller.abort(reason);
  };
  const stopped = (): void => giveUp(new Error('stopped'));
  if (outer?.aborted === true) throw new Error('stopped');
  outer?.addEventListener('abort', stopped, { once: true });
  const timer = setTimeout(() => giveUp(new TooLate(limitMs)), limitMs);
  try {
    const started = async (): Promise<T> => await run(controller.signal);
    // What loses the race has a handler all the same: its late failure is nobody's unhandled rejection.
    return await Promise.race([end.promise, started()]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', stopped);
  }
}
