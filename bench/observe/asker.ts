import { parentPort } from 'node:worker_threads';

/** Asks on a thread of its own, one after the other. */
export interface AskedCalls {
  readonly url: string;
  readonly token: string;
}

export interface CallTimes {
  readonly status: number;
  readonly ms: number;
  readonly bytes: number;
}

const port = parentPort;

async function ask({ url, token }: AskedCalls): Promise<CallTimes> {
  const began = performance.now();
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  const { byteLength } = await answer.arrayBuffer();
  return { status: answer.status, ms: performance.now() - began, bytes: byteLength };
}

port?.on('message', (asked: AskedCalls) => {
  void ask(asked)
    .catch((): CallTimes => ({ status: 0, ms: 0, bytes: 0 }))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none, a window would
    .then((times) => port.postMessage(times));
});
