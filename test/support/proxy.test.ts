import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { type Fault, startProxy } from './proxy.ts';
import { until } from './wait.ts';

/** A server that keeps the bodies it is sent and answers with the alphabet. */
async function withServer(
  fault: Fault,
  body: (
    ask: (method: string, sent?: string) => Promise<string>,
    received: readonly string[],
  ) => Promise<void>,
): Promise<void> {
  const received: string[] = [];
  const server = http.createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      received.push(Buffer.concat(pieces).toString('latin1'));
      response.end('abcdefghij');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await using proxy = await startProxy({ target: (server.address() as AddressInfo).port, fault });
    const ask = async (method: string, sent?: string): Promise<string> => {
      const answer = await fetch(proxy.url, { method, ...(sent === undefined ? {} : { body: sent }) });
      return await answer.text();
    };
    await body(ask, received);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('one bit of a request is another one on its way', async () => {
  await withServer({ kind: 'flip-request', fromEnd: 2 }, async (ask, received) => {
    await ask('POST', '0123456789');
    await ask('POST', 'x');
    expect(received).toEqual(['0123456689', 'x']);
  });
});

test('one bit of an answer is another one, counted round and round', async () => {
  await withServer({ kind: 'flip-answer', at: 13 }, async (ask) => {
    expect(await ask('GET')).toBe('abceefghij');
    expect(await ask('POST', 'text')).toBe('abceefghij');
  });
});

test('an answer is lost after the request was delivered', async () => {
  await withServer({ kind: 'lose' }, async (ask, received) => {
    await expect(ask('POST', 'once')).rejects.toThrow();
    expect(received).toEqual(['once']);
  });
});

test('a request arrives twice, and is answered once', async () => {
  await withServer({ kind: 'duplicate', afterMs: 0 }, async (ask, received) => {
    expect(await ask('POST', 'again')).toBe('abcdefghij');
    await until(() => received.length === 2, { what: 'the second' });
    expect(received).toEqual(['again', 'again']);
  });
});

test('some requests are passed on late, the others at once', async () => {
  const late: Fault = {
    kind: 'throttle',
    bytesPerSecond: 1e9,
    delayMs: 300,
    only: ({ method }) => method === 'POST',
  };
  await withServer(late, async (ask, received) => {
    const began = performance.now();
    await Promise.all([
      ask('POST', 'late').then(() => expect(performance.now() - began).toBeGreaterThanOrEqual(295)),
      ask('GET'),
    ]);
    expect(received).toEqual(['', 'late']);
  });
});
