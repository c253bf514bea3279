import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointRequest } from './checkpointer.ts';
import { framesInLog, openDatabase } from './connection.ts';

/** The checkpointer's thread: one connection, one request at a time, each answered with null or what went wrong. */
const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread');

const data: unknown = workerData;
if (typeof data !== 'object' || data === null || !('file' in data) || typeof data.file !== 'string') {
  throw new Error('the worker was not told the file');
}
const db = openDatabase(data.file);
db.pragma('cache_size = -256');

/** Frames that are copied in a moment: 1 MB. */
const fewFrames = 256;

/** Copies what no reader needs any more from the log. Returns the frames that came in meanwhile. */
function passive(): number {
  db.pragma('wal_checkpoint(PASSIVE)');
  const { log, checkpointed } = framesInLog(db);
  return log - checkpointed;
}

port.on('message', (request: CheckpointRequest) => {
  if (request === 'close') {
    db.close();
    port.close();
    return;
  }
  try {
    let left = passive();
    if (request === 'restart') {
      // What a restart has left to copy it copies while commits wait: that must be little.
      for (let round = 0; left > fewFrames && round < 20; round += 1) left = passive();
      db.pragma('wal_checkpoint(RESTART)');
    }
    port.postMessage(null);
  } catch (error) {
    port.postMessage(error instanceof Error ? error.message : String(error));
  }
});
