import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { freePort } from '../support/ports.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeInstance } from '../support/synthetic.ts';

const LIMIT_MS = 400;
const SECRET = 'pass-word-of-the-test';

function clientAt(url: string, password = SECRET): Orthanc {
  return createOrthanc({ name: 'SUT', url, username: 'orthanc', password, requestTimeoutMs: LIMIT_MS });
}

describe('an Orthanc that fails', () => {
  const instance = makeInstance();
  let orthanc: OrthancProcess;
  let proxy: FaultProxy;
  let client: Orthanc;

  beforeAll(async () => {
    orthanc = await startOrthanc({ name: 'SUT', password: SECRET });
    proxy = await startProxy({ target: orthanc.httpPort });
    client = clientAt(proxy.url);
    await client.upload(instance.file, { timeoutMs: 10_000 });
  });
  afterEach(() => proxy.set({ kind: 'pass' }));
  afterAll(async () => {
    client?.close();
    await proxy?.close();
    await orthanc?.stop();
  });

  it('is unreachable when nobody listens or the connection breaks', async () => {
    await proxy.set({ kind: 'refuse' });
    await expect(client.system()).rejects.toMatchObject({ code: 'unreachable', orthanc: 'SUT' });
    for (const afterBytes of [0, 20, 300]) {
      await proxy.set({ kind: 'cut', afterBytes });
      await expect(client.system()).rejects.toMatchObject({ code: 'unreachable' });
    }
  });

  it('is given up in time when it is silent or dribbles, and when the caller has enough', async () => {
    for (const fault of [{ kind: 'stall' }, { kind: 'throttle', bytesPerSecond: 20 }] as const) {
      await proxy.set(fault);
      const askedAt = performance.now();
      await expect(client.system()).rejects.toMatchObject({ code: 'timeout' });
      await expect(client.md5(instance.orthancId)).rejects.toMatchObject({ code: 'timeout' });
      await expect(client.storeToPeer('peer', ['x'])).rejects.toMatchObject({ code: 'timeout' });
      expect(performance.now() - askedAt).toBeLessThan(3 * LIMIT_MS + 1_000);
    }
    await proxy.set({ kind: 'stall' });
    const caller = new AbortController();
    const options = { signal: caller.signal, timeoutMs: 30_000 };
    const asked = [client.system(options), client.storeToPeer('peer', ['x'], options)];
    caller.abort();
    for (const one of asked) await expect(one).rejects.toMatchObject({ code: 'timeout' });
    const late = { signal: AbortSignal.abort() };
    await expect(client.system(late)).rejects.toMatchObject({ code: 'timeout' });
    await expect(client.storeToPeer('peer', ['x'], late)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('is told apart by its status', async () => {
    const statuses = { 500: 'server-error', 503: 'server-error', 429: 'server-error', 403: 'unauthorized' };
    for (const [status, code] of Object.entries({ ...statuses, 400: 'rejected', 302: 'nonsense' })) {
      await proxy.set({
        kind: 'respond',
        status: Number(status),
        headers: { Location: `${orthanc.url}/system` },
      });
      await expect(client.system()).rejects.toMatchObject({ code, status: Number(status) });
      await expect(client.storeToPeer('peer', ['x'])).rejects.toMatchObject({ code, status: Number(status) });
    }
  });

  it('is never believed to hold, or not to hold, an instance on a stranger’s word', async () => {
    const page = '<html>404 not found</html>';
    for (const answer of [
      { status: 404, body: page },
      { status: 200, body: page },
      { status: 200, body: '' },
      { status: 204 },
      { status: 206, body: instance.md5 },
      { status: 200, body: instance.md5.slice(1) },
    ]) {
      await proxy.set({ kind: 'respond', ...answer });
      await expect(client.md5(instance.orthancId)).rejects.toMatchObject({ code: 'nonsense' });
    }
    await proxy.set({ kind: 'respond', status: 200, body: '{"CountInstances":"many"}' });
    await expect(client.countInstances()).rejects.toMatchObject({ code: 'nonsense' });
    await proxy.set({ kind: 'respond', status: 200, body: '' });
    await expect(client.storeToPeer('any', [instance.orthancId])).rejects.toMatchObject({ code: 'nonsense' });
  });

  it('stops all MD5 questions at the first that fails, with that failure', async () => {
    await proxy.set({ kind: 'respond', status: 500, only: ({ path }) => path.includes(instance.orthancId) });
    const before = proxy.requests.length;
    const ids = [instance.orthancId, ...Array.from({ length: 200 }, (_, n) => `unknown-${n}`)];
    await expect(client.md5s(ids)).rejects.toMatchObject({ code: 'server-error' });
    expect(proxy.requests.length - before).toBeLessThan(50);
  });

  it('does not get the password into an error', async () => {
    const failures: unknown[] = [];
    const stranger = clientAt(proxy.url, `${SECRET}-wrong`);
    const keep = (error: unknown) => failures.push(error);
    await stranger.system().catch(keep);
    await proxy.set({ kind: 'respond', status: 500 });
    await client.system().catch(keep);
    await proxy.set({ kind: 'refuse' });
    await client.system().catch(keep);
    await stranger.bulkDelete(['x']).catch(keep);
    await client.bulkDelete(['x']).catch(keep);
    stranger.close();
    expect(failures).toHaveLength(5);
    expect(failures[0]).toMatchObject({ code: 'unauthorized' });
    const basic = Buffer.from(`orthanc:${SECRET}`).toString('base64').slice(0, -4);
    for (const failure of failures) {
      const said = inspect(failure, { depth: null, showHidden: true }) + JSON.stringify(failure);
      expect(said).not.toContain(SECRET);
      expect(said).not.toContain(basic);
    }
  });

  it('is given up in time when it stops in the middle of a body', async () => {
    await using server = await scripted(() => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"Name"');
    const half = clientAt(server.url);
    await expect(half.system()).rejects.toMatchObject({ code: 'timeout' });
    half.close();
  });

  it('makes no sense when it speaks no HTTP', async () => {
    await using server = await scripted(() => 'SSH-2.0-OpenSSH_9.2\r\n');
    const strange = clientAt(server.url);
    await expect(strange.system()).rejects.toMatchObject({ code: 'nonsense' });
    strange.close();
  });

  it('is asked again, and never told again, when the kept-alive connection was closed under it', async () => {
    const body = '{"CountInstances":1,"TotalDiskSize":"1"}';
    // Each connection serves one request and breaks at the next.
    await using server = await scripted((_request, served) =>
      served === 0 ? `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}` : null,
    );
    const asking = clientAt(server.url);
    expect(await asking.countInstances()).toBe(1);
    expect(await asking.countInstances()).toBe(1);
    expect(server.requests).toHaveLength(3);
    expect(await asking.countInstances()).toBe(1);
    await expect(asking.bulkDelete(['x'])).rejects.toMatchObject({ code: 'unreachable' });
    expect(server.requests.filter((request) => request.startsWith('POST'))).toHaveLength(1);
    // What is asked seldom has connections of its own.
    await asking.delete('x');
    await expect(asking.delete('y')).rejects.toMatchObject({ code: 'unreachable' });
    expect(server.requests.filter((request) => request.startsWith('DELETE'))).toHaveLength(2);
    await asking.delete('z');
    await expect(asking.upload(Buffer.from('x'))).rejects.toMatchObject({ code: 'unreachable' });
    expect(server.requests.filter((request) => request.startsWith('POST'))).toHaveLength(2);
    asking.close();
  });

  it('is asked about many images in one piece, over a new connection and over one that has rested', async () => {
    const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
    const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${md5.length}\r\n\r\n${md5}`;
    await using server = await scripted((request) => answer.repeat(request.split('GET ').length - 1));
    const asking = clientAt(server.url);
    // What arrives may be in one piece however it was sent.
    const alone = vi.spyOn(Socket.prototype, '_write');
    const together = vi.spyOn(Socket.prototype, '_writev');
    try {
      for (let set = 1; set <= 3; set++) {
        expect((await asking.md5s(['a', 'b', 'c', 'd', 'e'])).size).toBe(5);
        expect(together).toHaveBeenCalledTimes(set);
      }
      expect(alone.mock.calls.filter(([written]) => String(written).startsWith('GET'))).toEqual([]);
    } finally {
      vi.restoreAllMocks();
      asking.close();
    }
  });

  it('is asked about files again as well when the connection had been closed, once', async () => {
    const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
    await using server = await scripted((_request, served) =>
      served === 0 ? `HTTP/1.1 200 OK\r\nContent-Length: ${md5.length}\r\n\r\n${md5}` : null,
    );
    const asking = clientAt(server.url);
    for (let round = 0; round < 3; round++) expect((await asking.md5s(['a'])).get('a')).toBe(md5);
    expect(server.requests).toHaveLength(5);
    const refusal = 'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n';
    await using refusing = await scripted((_request, served) =>
      served === 0 ? `HTTP/1.1 200 OK\r\nContent-Length: ${md5.length}\r\n\r\n${md5}` : refusal,
    );
    const refused = clientAt(refusing.url);
    await refused.md5s(['a']);
    await expect(refused.md5s(['a'])).rejects.toMatchObject({ code: 'server-error' });
    expect(refusing.requests, 'an answer was given: it is not asked for again').toHaveLength(2);
    refused.close();
    await using broken = await scripted(() => null);
    const failing = clientAt(broken.url);
    await expect(failing.md5s(['a', 'b'])).rejects.toMatchObject({ code: 'unreachable' });
    asking.close();
    failing.close();
  });
});

interface Scripted extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly string[];
}

/** A server that answers each request with these bytes, or (null) breaks the connection. */
async function scripted(answer: (request: string, served: number) => string | null): Promise<Scripted> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let served = 0;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      const request = bytes.toString('latin1');
      if (!/^(GET|POST|DELETE) /.test(request)) return;
      requests.push(request);
      const text = answer(request, served++);
      if (text === null) socket.resetAndDestroy();
      else socket.write(text);
    });
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
