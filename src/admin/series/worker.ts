import { stepBack } from '../../background.ts';
import { LedgerError } from '../../ledger/ledger.ts';
import { openSeries, type SeriesSource } from '../../ledger/series.ts';
import { workerOnFile } from '../../worker-file.ts';
import type { SeriesReply, SeriesRequest } from './reader.ts';
import { seriesText } from './text.ts';

/** The thread that reads series: with a connection of its own, which only reads. */
const { port, file } = workerOnFile();
let source: SeriesSource | null = null;
stepBack();

function reply(answer: SeriesReply, given: ArrayBuffer[] = []): void {
  port.postMessage(answer, given);
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
