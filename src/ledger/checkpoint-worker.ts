import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointRequest } from './checkpointer.ts';
import { openDatabase } from './connection.ts';

/** The checkpointer's thread: one connection, one request at a time, each answered with null or what went wrong. */
const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread');

const data: unknown = workerData;
if (typeof data !== 'object' || data === null || !('file' in data) || typeof data.file !== 'string') {
  throw new Error('the worker was not told the file');
}
const db = openDatabase(data.file);
db.pragma('cache_size = -256');

port.on('message', (request: CheckpointRequest) => {
  if (request === 'close') {
    db.close();
    port.close();
    return;
  }
  try {
    db.pragma('wal_checkpoint(PASSIVE)');
    if (request === 'restart') db.pragma('wal_checkpoint(RESTART)');
    port.postMessage(null);
  } catch (error) {
    port.postMessage(error instanceof Error ? error.message : String(error));
  }
});
