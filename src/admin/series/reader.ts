import { Worker } from 'node:worker_threads';
import { LedgerError, type LedgerErrorCode } from '../../ledger/ledger.ts';
import type { SeriesQuery } from '../../ledger/series.ts';
import type { SeriesFormat } from './text.ts';

export interface SeriesRequest {
  readonly id: number;
  readonly query: SeriesQuery;
  readonly format: SeriesFormat;
}

export type SeriesReply =
  | { readonly id: number; readonly body: Uint8Array }
  | { readonly id: number; readonly failure: { readonly code: LedgerErrorCode; readonly message: string } };

export interface SeriesReader {
  /** The body of an answer. Who asks for the same at the same time shares it. @throws LedgerError; `busy` when too many wait */
  read(query: SeriesQuery, format: SeriesFormat): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Questions that wait for their turn at most. */
const mostWaiting = 32;

interface Waiting {
  readonly key: string;
  readonly done: PromiseWithResolvers<Uint8Array>;
}

/**
 * Has series read on a thread of its own. A year of 64 backends is half a million rows: on the thread that answers the hook that would be
 * a second in which no front is answered. The thread is started with the first question.
 */
export function createSeriesReader(file: string): SeriesReader {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let last = 0;
  let isClosed = false;

  function failAll(error: LedgerError): void {
    for (const { done } of waiting.values()) done.reject(error);
    waiting.clear();
  }

  function started(): Worker {
    if (worker !== null) return worker;
    const made = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { file }, execArgv: [] });
    worker = made;
    made.unref();
    made.on('message', (reply: SeriesReply) => {
      const one = waiting.get(reply.id);
      waiting.delete(reply.id);
      if ('body' in reply) one?.done.resolve(reply.body);
      else one?.done.reject(new LedgerError(reply.failure.code, reply.failure.message));
    });
    // The next question starts another one.
    made.on('error', (error) =>
      failAll(new LedgerError('failed', `Series cannot be read: ${String(error)}`, { cause: error })),
    );
    made.on('exit', () => {
      if (worker === made) worker = null;
      failAll(new LedgerError('failed', 'The thread that reads series has ended'));
    });
    return made;
  }

  return {
    read(query, format) {
      const key = JSON.stringify([query, format]);
      const same = [...waiting.values()].find((one) => one.key === key);
      if (same !== undefined) return same.done.promise;
      if (isClosed) return Promise.reject(new LedgerError('failed', 'The service is stopping'));
      if (waiting.size >= mostWaiting)
        return Promise.reject(new LedgerError('busy', 'Too many series are asked for at once'));
      const done = Promise.withResolvers<Uint8Array>();
      const id = ++last;
      waiting.set(id, { key, done });
      const request: SeriesRequest = { id, query, format };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none, a window would
      started().postMessage(request);
      return done.promise;
    },
    async close() {
      isClosed = true;
      await worker?.terminate();
    },
  };
}
