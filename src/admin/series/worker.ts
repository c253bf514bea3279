import { parentPort, workerData } from 'node:worker_threads';
import { stepBack } from '../../background.ts';
import { LedgerError } from '../../ledger/ledger.ts';
import { openSeries, type SeriesSource } from '../../ledger/series.ts';
import type { SeriesReply, SeriesRequest } from './reader.ts';
import { seriesText } from './text.ts';

/** The thread that reads series: with a connection of its own, which only reads. */
const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread');

const data: unknown = workerData;
if (typeof data !== 'object' || data === null || !('file' in data) || typeof data.file !== 'string') {
  throw new Error('the worker was not told the file');
}
const { file } = data;
let source: SeriesSource | null = null;
stepBack();

function reply(answer: SeriesReply, given: ArrayBuffer[] = []): void {
  port?.postMessage(answer, given);
}

port.on('message', ({ id, query, format }: SeriesRequest) => {
  try {
    // Opened with the first question, so that what is wrong with the ledger is an answer to it.
    source ??= openSeries(file);
    const body = new TextEncoder().encode(seriesText(source.read(query), query, format));
    reply({ id, body }, [body.buffer]);
  } catch (error) {
    // Errors lose their class on the way between threads.
    const code = error instanceof LedgerError ? error.code : 'failed';
    reply({ id, failure: { code, message: error instanceof Error ? error.message : String(error) } });
  }
});
