import { Readable } from 'node:stream';
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
  /** As the source said before; only for its time limit. */
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
  const rate = Math.min(bytesPerSecond, pace?.bytesPerSecond ?? bytesPerSecond);
  const timeoutMs = baseMs + (pace?.waitMs() ?? 0) + (expected / rate) * 1000;
  const opened = await from.download(id, { signal, timeoutMs });
  if (opened === null) return null;
  const { file, bytes } = opened;
  // The source's failure reaches the other end only as a broken body; it is the source that is to blame.
  const failure: { error: OrthancError | null } = { error: null };
  file.once('error', (error) => {
    if (error instanceof OrthancError) failure.error = error;
  });
  try {
    const body = pace === null ? file : Readable.from(paced(file, pace, signal), { objectMode: false });
    const { status } = await to.upload(body, { bytes, signal, timeoutMs });
    return { stored: status === 'Success' };
  } catch (error) {
    throw failure.error ?? error;
  } finally {
    file.destroy();
  }
}

async function* paced(
  file: Readable,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  for await (const piece of file) {
    await pace.take(Buffer.isBuffer(piece) ? piece.length : 0, signal);
    yield piece;
  }
}

/** So many bytes a second for all who share it. A leaky bucket: nothing is saved up, so no burst follows a pause. */
export class Pace {
  readonly bytesPerSecond: number;
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** How long the next would wait for what was taken before. */
  waitMs(): number {
    return Math.max(0, this.#freeAt - performance.now());
  }

  /** Resolves when these bytes may go. Rejects when the signal is aborted. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const startAt = Math.max(now, this.#freeAt);
    this.#freeAt = startAt + (bytes / this.bytesPerSecond) * 1000;
    if (startAt > now) await pause(startAt - now, undefined, { signal });
  }
}
