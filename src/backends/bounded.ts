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
 * aborted then: one Orthanc that hangs must never hold what waits for many. `outer` ends it earlier, with its own reason.
 */
export function bounded<T>(
  limitMs: number,
  run: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const giveUp = (reason: Error): void => {
      // Rejected before aborting: otherwise the callee's word for being aborted would be the error the caller sees.
      reject(reason);
      controller.abort(reason);
    };
    const stopped = (): void => giveUp(new Error('stopped', { cause: outer?.reason }));
    const timer = setTimeout(() => giveUp(new TooLate(limitMs)), limitMs);
    const done = (): void => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', stopped);
    };
    if (outer?.aborted === true) stopped();
    else outer?.addEventListener('abort', stopped, { once: true });
    const started = async (): Promise<T> => await run(controller.signal);
    started().then(
      (value) => {
        done();
        resolve(value);
      },
      (error: unknown) => {
        done();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
