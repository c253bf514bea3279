import { type MessagePort, parentPort, workerData } from 'node:worker_threads';

/**
 * What a thread that works on one file was started with: the way to talk to who started it, and the file, which stands in its
 * `workerData` as `{ file }`.
 *
 * @throws Error in the main thread, and where no file was told
 */
export function workerOnFile(): { readonly port: MessagePort; readonly file: string } {
  if (parentPort === null) throw new Error('this file runs as a worker thread');
  const data: unknown = workerData;
  if (typeof data !== 'object' || data === null || !('file' in data) || typeof data.file !== 'string') {
    throw new Error('the worker was not told the file');
  }
  return { port: parentPort, file: data.file };
}
