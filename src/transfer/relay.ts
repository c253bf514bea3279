import { setTimeout as pause } from 'node:timers/promises';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';

export interface RelayOptions {
  /** A copy may take this long: base, plus bytes at the slowest rate worth waiting for. */
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
}

export interface RelayRequest {
  readonly from: Orthanc;
  readonly to: Orthanc;
  readonly id: string;
  /** As the source said before; for its time limit and its pace. */
  readonly bytes: number;
  /** Null: as fast as it goes. */
  readonly pace: Pace | null;
  readonly signal: AbortSignal;
}

/**
 * Copies one instance from one backend to another as a stream, never whole in memory. Null: the source does not hold it
 * any more. `stored` false: the other had it, or something under its name, already. What arrived is for the caller to prove.
 * @throws OrthancError of whichever end failed
 */
export async function relay(
  { from, to, id, bytes: expected, pace, signal }: RelayRequest,
  { transferTimeout: { baseMs, bytesPerSecond } }: RelayOptions,
): Promise<{ readonly stored: boolean } | null> {
  const timeoutMs = baseMs + (expected / bytesPerSecond) * 1000;
  // Waited for before, and not between the pieces: an Orthanc hangs up on a body that pauses.
  const waited = await pace?.take(expected, signal);
  if (waited === false) throw new OrthancError(from.name, 'timeout', `${from.name}: given up by the caller`);
  const opened = await from.download(id, { signal, timeoutMs });
  if (opened === null) return null;
  const { file, bytes } = opened;
  // The source's failure reaches the other end only as a broken body; it is the source that is to blame.
  const failure: { error: OrthancError | null } = { error: null };
  file.once('error', (error) => {
    if (error instanceof OrthancError) failure.error = error;
  });
  try {
    const { status } = await to.upload(file, { bytes, signal, timeoutMs });
    // On a backend a script of its own may drop what it likes; that is neither stored nor held.
    if (status === 'FilteredOut')
      throw new OrthancError(to.name, 'nonsense', `${to.name}: a script of its own has dropped the image`);
    return { stored: status === 'Success' };
  } catch (error) {
    throw failure.error ?? error;
  } finally {
    file.destroy();
  }
}

/**
 * So many bytes a second, on average, for all who share it: each waits until what was taken before would be through at that
 * rate. Nothing is saved up, so no burst follows a pause.
 */
export class Pace {
  readonly bytesPerSecond: number;
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Resolves with true when these bytes may go, with false when the signal is aborted before. */
  async take(bytes: number, signal: AbortSignal): Promise<boolean> {
    const now = performance.now();
    const startAt = Math.max(now, this.#freeAt);
    this.#freeAt = startAt + (bytes / this.bytesPerSecond) * 1000;
    if (startAt > now) await pause(startAt - now, undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }
}
