import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bounded } from '../../src/backends/bounded.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { Turns } from '../../src/orthanc/turns.ts';
import { busyFor } from '../support/busy.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeInstance, type SyntheticInstance } from '../support/synthetic.ts';

const limitMs = 5_000;

describe('studies that are looked up at the same time', () => {
  const held: SyntheticInstance[] = Array.from({ length: 5 }, (_, index) =>
    makeInstance({ seed: `held-${index}` }),
  );
  let orthanc: OrthancProcess;
  let proxy: FaultProxy;
  let client: Orthanc;

  beforeAll(async () => {
    orthanc = await startOrthanc({ name: 'SUT' });
    proxy = await startProxy({ target: orthanc.httpPort });
    client = clientAt(proxy.url);
    for (const { file } of held) await client.upload(file);
  });
  afterEach(() => proxy.set({ kind: 'pass' }));
  afterAll(async () => {
    client?.close();
    await proxy?.close();
    await orthanc?.stop();
  });

  function clientAt(url: string): Orthanc {
    const { username, password } = orthanc;
    return createOrthanc({ name: 'SUT', url, username, password, requestTimeoutMs: limitMs });
  }

  it('are answered each for itself, over few connections', async () => {
    const before = proxy.connections;
    const uids = Array.from({ length: 60 }, (_, index) =>
      index % 12 === 0 ? (held[index / 12]?.studyUid ?? '') : `1.2.3.${index}`,
    );
    for (let round = 0; round < 3; round++) {
      expect(await Promise.all(uids.map((uid) => client.studyInstances(uid)))).toEqual(
        uids.map((_, index) => (index % 12 === 0 ? 1 : 0)),
      );
    }
    // Four sets at a time, and the statistics of those that are held.
    expect(proxy.connections - before).toBeLessThanOrEqual(4 + held.length);
  });

  it('end each at its own limit, and when its own caller has enough', async () => {
    await proxy.set({ kind: 'stall' });
    const caller = new AbortController();
    const patient = client.studyIds('1.2.3.1', { timeoutMs: 30_000 });
    const hasty = client.studyIds('1.2.3.2', { timeoutMs: 100 });
    const ended = client.studyIds('1.2.3.3', { timeoutMs: 30_000, signal: caller.signal });
    const unasked = client.studyIds('1.2.3.4', { signal: AbortSignal.abort() });
    await expect(unasked).rejects.toMatchObject({ code: 'timeout' });
    await expect(hasty).rejects.toMatchObject({ code: 'timeout', orthanc: 'SUT' });
    caller.abort();
    await expect(ended).rejects.toMatchObject({ code: 'timeout' });
    await proxy.set({ kind: 'pass' });
    expect(await patient).toEqual([]);
  });

  it('are answered by what has come, also when the event loop had no time for it until the limit was over', async () => {
    // Not through the proxy, which has its time from the same event loop.
    const direct = clientAt(orthanc.url);
    try {
      expect(await direct.studyIds('1.2.3.1')).toEqual([]);
      const asked = direct.studyIds('1.2.3.2', { timeoutMs: 100 });
      const both = bounded(
        100,
        async (signal) => await direct.studyIds('1.2.3.3', { signal, timeoutMs: 100 }),
      );
      for (let turn = 0; turn < 3; turn++) await setImmediate();
      busyFor(500);
      expect(await Promise.all([asked, both])).toEqual([[], []]);
    } finally {
      direct.close();
    }
  });

  it('fail each with what was said to it', async () => {
    await proxy.set({ kind: 'respond', status: 500, only: ({ path }) => path === '/tools/lookup' });
    const failed = await Promise.allSettled(['1.2.3.1', '1.2.3.2'].map((uid) => client.studyIds(uid)));
    expect(failed).toMatchObject([
      { status: 'rejected', reason: { code: 'server-error', status: 500 } },
      { status: 'rejected', reason: { code: 'server-error', status: 500 } },
    ]);
    await proxy.set({ kind: 'respond', status: 200, body: '{}' });
    await expect(client.studyIds('1.2.3.1')).rejects.toMatchObject({ code: 'nonsense' });
    await proxy.set({ kind: 'refuse' });
    await expect(client.studyIds('1.2.3.1')).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('are asked on where a connection ended after some of them', async () => {
    let connections = 0;
    // Answers three questions on each connection, and closes it then.
    const server = createServer((request, response) => {
      request.resume().once('end', () => response.end('[]'));
    });
    server.maxRequestsPerSocket = 3;
    server.on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const impatient = clientAt(`http://127.0.0.1:${port}`);
    try {
      const uids = Array.from({ length: 16 }, (_, index) => `1.2.3.${index}`);
      expect(await Promise.all(uids.map((uid) => impatient.studyIds(uid)))).toEqual(uids.map(() => []));
      expect(connections).toBeGreaterThan(1);
    } finally {
      impatient.close();
      server.closeAllConnections();
      server.close();
    }
  });
});

it('what is planned for many begins over several turns of the event loop, all of it, in its order', async () => {
  const turns = new Turns();
  const begun: number[] = [];
  for (let job = 0; job < 100; job++)
    turns.plan(() => {
      begun.push(job);
      busyFor(0.5);
    });
  expect(begun).toEqual([]);
  let turnsTaken = 0;
  while (begun.length < 100) {
    await setImmediate();
    turnsTaken += 1;
  }
  expect(begun).toEqual(Array.from({ length: 100 }, (_, job) => job));
  expect(turnsTaken).toBeGreaterThan(1);
});

it('what is planned does not wait for long when the turns are long', async () => {
  const turns = new Turns();
  let begun = 0;
  for (let job = 0; job < 50; job++) turns.plan(() => (begun += 1));
  busyFor(30);
  await setImmediate();
  await setImmediate();
  expect(begun).toBe(50);
});
