import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { OrthancError } from '../../src/orthanc/orthanc.ts';
import { createPeerBook } from '../../src/orthanc/peer-book.ts';
import { madeByKey, madeByUs } from '../../src/topology/peer.ts';
import type { BackendConfig } from '../../src/topology/topology.ts';
import { createPeers, type Peers } from '../../src/transfer/peers.ts';
import { backendConfig } from '../backends/rig.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

let front: OrthancProcess;
let proxy: FaultProxy;
beforeAll(async () => {
  front = await startOrthanc({ name: 'front' });
  proxy = await startProxy({ target: front.httpPort });
});
afterAll(async () => {
  await proxy?.close();
  await front?.stop();
});
beforeEach(async () => {
  for (const name of Object.keys(await peersNow())) await front.fetch(`/peers/${name}`, { method: 'DELETE' });
});

async function peersNow(): Promise<Record<string, Record<string, unknown>>> {
  return (await (await front.fetch('/peers?expand')).json()) as Record<string, Record<string, unknown>>;
}

async function put(name: string, peer: Readonly<Record<string, unknown>>): Promise<void> {
  await front.fetch(`/peers/${name}`, { method: 'PUT', body: JSON.stringify(peer) });
}

const one = backendConfig('one');
const two = backendConfig('two', { username: 'dde', url: 'http://127.0.0.1:1', peerUrl: 'http://two:8042' });

async function withPeers(
  backends: readonly BackendConfig[],
  run: (peers: Peers, later: (ms: number) => void) => Promise<void>,
): Promise<void> {
  let at = 0;
  const access = {
    name: 'front',
    url: proxy.url,
    username: 'orthanc',
    password: 'orthanc',
    requestTimeoutMs: 2_000,
  };
  const book = createPeerBook(access);
  const peers = createPeers({
    fronts: new Map([['front', book]]),
    backends,
    timeoutSeconds: 77,
    log: silentLogger(),
    now: () => at,
  });
  try {
    await run(peers, (ms) => {
      at += ms;
    });
  } finally {
    await peers.stop();
    book.close();
    await proxy.set({ kind: 'pass' });
  }
}

test('what is missing is made, what leads elsewhere is put right, and what is gone goes if it was ours', async () => {
  await put('one', { Url: 'http://elsewhere:1', Username: 'orthanc', Password: 'x' });
  await put('left', { Url: 'http://left:1', [madeByKey]: madeByUs });
  await put('archive', { Url: 'http://archive:1' });
  await withPeers([one, two], async (peers) => {
    await peers.compareAll();
    const found = await peersNow();
    expect(Object.keys(found).toSorted()).toEqual(['archive', 'one', 'two']);
    expect(found['one']).toMatchObject({ Url: `${one.url}/`, Timeout: 77 });
    expect(found['two']).toMatchObject({ Url: 'http://two:8042/', Username: 'dde' });
    expect(peers.states('two')).toEqual([{ front: 'front', ok: true, detail: null }]);

    peers.follow([one]);
    await peers.compareAll();
    expect(Object.keys(await peersNow()).toSorted()).toEqual(['archive', 'one']);
    expect(await peers.misled('front', 'two')).toContain('not in the topology');
  });
});

test("an operator's own peer that leads to the right place is left as it is, until its password is changed", async () => {
  const own = {
    Url: one.url,
    Username: one.username,
    Password: 'orthanc',
    HttpHeaders: { 'X-Site': 'north' },
  };
  await put('one', own);
  await withPeers([one], async (peers) => {
    await peers.compareAll();
    expect((await peersNow())['one']).toMatchObject({ HttpHeaders: ['X-Site'] });
    peers.follow([{ ...one, password: 'another' }]);
    await peers.compareAll();
    expect((await peersNow())['one']?.[madeByKey]).toMatch(new RegExp(`^${madeByUs} `));
  });
});

test('after a start everything of ours is written once, since nobody can see which password stands there', async () => {
  await put('one', { Url: one.url, Username: one.username, Password: 'of old', [madeByKey]: madeByUs });
  await withPeers([one], async (peers) => {
    const before = proxy.requests.length;
    for (let times = 0; times < 3; times++) await peers.compareAll();
    expect(proxy.requests.slice(before).filter((request) => request.startsWith('PUT'))).toEqual([
      'PUT /peers/one',
    ]);
  });
});

test('a comparison is trusted for a moment, and a front that was started anew in between is found out', async () => {
  await withPeers([one], async (peers, later) => {
    expect(await peers.misled('front', 'one')).toBeNull();
    await put('one', { Url: 'http://elsewhere:1' });
    const before = proxy.requests.length;
    expect(await peers.misled('front', 'one')).toBeNull();
    expect(proxy.requests.length).toBe(before);
    later(600);
    expect(await peers.misled('front', 'one')).toBeNull();
    expect((await peersNow())['one']).toMatchObject({ Url: `${one.url}/` });
  });
});

test('nothing is sent through a peer that leads elsewhere and may not be changed', async () => {
  await put('one', { Url: 'http://elsewhere:1' });
  await put('two', { Url: 'http://two:8042', Username: 'somebody' });
  await proxy.set({ kind: 'respond', status: 403, only: ({ method }) => method === 'PUT' });
  await withPeers([one, two], async (peers) => {
    expect(await peers.misled('front', 'one')).toMatch(
      /^front: its peer one leads to http:\/\/elsewhere:1 instead of/,
    );
    // The right address with another user: if that is wrong, the backend says so.
    expect(await peers.misled('front', 'two')).toBeNull();
  });
});

test('a front that does not answer is an error of the front', async () => {
  await withPeers([one], async (peers) => {
    await proxy.set({ kind: 'refuse' });
    await expect(peers.misled('front', 'one')).rejects.toMatchObject({
      orthanc: 'front',
      code: 'unreachable',
    });
    expect(peers.states('one')).toMatchObject([{ ok: false }]);
  });
});

test('a topology that changes while a front is compared is waited for: what was true before says nothing', async () => {
  await put('one', { Url: one.url, Username: one.username, Password: 'orthanc' });
  const book = createPeerBook({
    name: 'front',
    url: proxy.url,
    username: 'orthanc',
    password: 'orthanc',
    requestTimeoutMs: 2_000,
  });
  let at = 0;
  let onAsked: (() => void) | null = null;
  const peers = createPeers({
    fronts: new Map([
      [
        'front',
        {
          ...book,
          async all() {
            const found = await book.all();
            onAsked?.();
            onAsked = null;
            return found;
          },
        },
      ],
    ]),
    backends: [one],
    timeoutSeconds: 77,
    log: silentLogger(),
    now: () => at,
  });
  try {
    expect(await peers.misled('front', 'one')).toBeNull();
    await proxy.set({ kind: 'respond', status: 403, only: ({ method }) => method === 'PUT' });
    at += 600;
    onAsked = () => peers.follow([{ ...one, url: 'http://user:hidden@moved:8042' }]);
    const why = await peers.misled('front', 'one');
    expect(why).toContain(`leads to ${one.url} instead of`);
    expect(why).not.toContain('hidden');
  } finally {
    await peers.stop();
    book.close();
    await proxy.set({ kind: 'pass' });
  }
});

test('a backend that is a front under another address is sent nothing: it would prove its own images to itself', async () => {
  const access = { name: 'front', username: 'orthanc', password: 'orthanc', requestTimeoutMs: 2_000 };
  const book = createPeerBook({ ...access, url: proxy.url });
  const asBackend = createPeerBook({ ...access, name: 'alias', url: front.url });
  let at = 0;
  let asked = 0;
  const peers = createPeers({
    fronts: new Map([['front', book]]),
    backends: [one, backendConfig('alias', { url: front.url })],
    timeoutSeconds: 77,
    peersOf: async ({ name }) => {
      asked++;
      if (name === 'one') throw new OrthancError('one', 'unauthorized', 'one: may not be asked');
      return await asBackend.all();
    },
    log: silentLogger(),
    now: () => at,
  });
  try {
    expect(await peers.misled('front', 'alias')).toContain('is one of the fronts');
    expect(await peers.misled('front', 'one')).toBeNull();
    expect(await peers.misled('front', 'alias')).toContain('is one of the fronts');
    expect(asked).toBe(2);
    // It was asked before the fronts had a peer of ours, which says nothing.
    await put('one', { Url: 'http://elsewhere:1' });
    await peers.compareAll();
    expect(await peers.isFront('alias')).toBe(true);
    expect(asked).toBe(3);
    at += 10_000;
    expect(await peers.misled('front', 'alias')).toContain('is one of the fronts');
    expect(asked).toBe(4);
  } finally {
    await peers.stop();
    book.close();
    asBackend.close();
  }
});
