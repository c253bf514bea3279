import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AdmissionReport, FreeSpace } from '../../src/intake/announcement.ts';
import { createHook } from '../../src/intake/hook.ts';
import { createNoting, type Noting } from '../../src/intake/noting.ts';
import type { Ledger, ReceivedAnswer } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { orthancIdOf, uidOf } from '../support/synthetic.ts';
import { type TempDir, tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

const token = 'the-hook-token';

let dir: TempDir;
let ledger: Ledger;
let noting: Noting;
let server: Server;
let sockets: Set<Socket>;
let received: { study: string; answer: ReceivedAnswer }[];
let beforeTheLedger: () => void;
let reported: AdmissionReport[];
let measured: FreeSpace[];

beforeEach(async () => {
  dir = await tempDir('hook');
  ledger = openLedger(`${dir.path}/ledger.sqlite`);
  received = [];
  reported = [];
  measured = [];
  sockets = new Set();
  beforeTheLedger = () => undefined;
  const onReceived = (study: string, answer: ReceivedAnswer): void => void received.push({ study, answer });
  noting = createNoting({
    ledger,
    clock: () => {
      beforeTheLedger();
      return Date.now();
    },
    log: silentLogger(),
    transferGatherMs: 80,
    onNoted: onReceived,
  });
  const hook = createHook({
    noting,
    token,
    fronts: new Set(['front']),
    log: silentLogger(),
    metrics: createMetrics(),
    admission: {
      reported: (report) => reported.push(report),
      measured: (found) => measured.push(found),
    },
    onReceived,
  });
  server = createServer((req, res) => {
    if (!hook(req, res)) res.writeHead(404).end();
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  noting.stop();
  await ledger.close();
  await dir.remove();
});

function announcement(seed: string, more: Record<string, unknown> = {}) {
  const [study, series, sop] = [uidOf(`${seed}/study`), uidOf(`${seed}/series`), uidOf(`${seed}/sop`)];
  return { front: 'front', instance: orthancIdOf('P', study, series, sop), study, series, sop, ...more };
}

function announce(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  path = '/hook/stored',
): Promise<Response> {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return fetch(`http://127.0.0.1:${address.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body,
  });
}

test('an announcement is noted, and answered with the mark of success and why the study waits', async () => {
  const content = announcement('good', { modality: 'CT', rows: '512', columns: '512' });
  const answer = await announce(JSON.stringify(content));
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({
    received: content.instance,
    backend: null,
    reason: 'the study is being placed',
  });
  expect(received).toMatchObject([{ study: content.study, answer: { instance: 'new' } }]);
  expect(ledger.study(content.study)).toMatchObject({ modality: 'CT' });
});

test.each([
  ['no token', { authorization: '' }],
  ['another token', { authorization: 'Bearer the-hook-tokem' }],
  ['the token under another scheme', { authorization: `Basic ${token}` }],
])('%s: 401, and nothing is noted', async (_what, headers) => {
  const content = announcement('stranger');
  const answer = await announce(JSON.stringify(content), headers);
  expect(answer.status).toBe(401);
  expect(await answer.json()).toMatchObject({ received: null });
  expect(ledger.study(content.study)).toBeNull();
  expect(received).toEqual([]);
});

const bad: [string, string | Uint8Array<ArrayBuffer>][] = [
  ['nothing', ''],
  ['no JSON', '{"front": "front"'],
  ['bytes', new Uint8Array([0xff, 0xfe, 0, 1])],
  ['a list', '[]'],
  ['null', 'null'],
  ['a string', '"front"'],
  ['too much', JSON.stringify(announcement('long', { station: 'x'.repeat(70_000) }))],
  ['deep nesting', `${'['.repeat(20_000)}${']'.repeat(20_000)}`],
  ['a front nobody knows', JSON.stringify(announcement('front', { front: 'elsewhere' }))],
  ['a front named after a prototype', JSON.stringify(announcement('proto', { front: '__proto__' }))],
  ['no instance id', JSON.stringify(announcement('id', { instance: '../../system' }))],
  ['no study UID', JSON.stringify(announcement('study', { study: ' \0' }))],
  ['a study UID that is a number', JSON.stringify(announcement('number', { study: 12 }))],
  ['a UID far too long', JSON.stringify(announcement('uid', { sop: '1.'.repeat(100) }))],
];

test.each(bad)('%s: 400, and nothing is noted', async (_what, body) => {
  const answer = await announce(body);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ received: null });
  expect(ledger.standing('front').size).toBe(0);
  expect(received).toEqual([]);
});

test.each([
  ["1.2'; DROP TABLE studies; --", "1.2'; DROP TABLE studies; --"],
  ['1.2.840.10008.1 ', '1.2.840.10008.1'],
  ['1.2.840.10008.2\0', '1.2.840.10008.2'],
  ['not.a.uid.at.all', 'not.a.uid.at.all'],
  ['研究.1', '研究.1'],
])('a study UID as it is met in the wild is an identity: %j', async (uid, kept) => {
  const content = announcement(`odd-${uid}`, { study: uid });
  expect((await announce(JSON.stringify(content))).status).toBe(200);
  expect(ledger.study(kept)).toMatchObject({ state: 'received' });
});

test('the same announcement ten times at once is one instance', async () => {
  const content = announcement('ten');
  const answers = await Promise.all(Array.from({ length: 10 }, () => announce(JSON.stringify(content))));
  expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 10 }, () => 200));
  noting.stop();
  expect(ledger.standing('front').size).toBe(1);
  expect(ledger.study(content.study)?.instances.received).toBe(1);
  const [first, ...others] = received.map(({ answer }) => answer.instance);
  expect(first).toBe('new');
  expect(new Set(others)).toEqual(new Set(['again']));
});

test('a front that hangs up before the answer: what was noted is followed up all the same', async () => {
  const content = announcement('hung-up');
  beforeTheLedger = () => {
    for (const socket of sockets) socket.destroy();
  };
  await expect(announce(JSON.stringify(content))).rejects.toThrow();
  expect(ledger.standing('front').size).toBe(1);
  await until(() => received.length === 1, { what: 'the study to be followed up', timeoutMs: 2000 });
  expect(received[0]?.study).toBe(content.study);
});

const report = {
  front: 'front',
  open: false,
  reason: '12 MB free',
  freeBytes: '12000000',
  freeAt: '1700000100',
  refused: '7',
  startedAt: '1700000000',
};

describe('a report of refused images', () => {
  test('is handed on and answered with the mark of success; Lua writes its numbers as text', async () => {
    const answer = await announce(JSON.stringify(report), {}, '/hook/admission');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ received: 'front' });
    expect(reported).toEqual([
      { ...report, freeBytes: 12_000_000, freeAt: 1_700_000_100, refused: 7, startedAt: 1_700_000_000 },
    ]);
  });

  test('with figures that are none says as much as it can', async () => {
    const body = JSON.stringify({
      ...report,
      reason: undefined,
      freeBytes: 'much',
      refused: -1,
      startedAt: {},
    });
    expect((await announce(body, {}, '/hook/admission')).status).toBe(200);
    expect(reported).toMatchObject([{ open: false, reason: null, freeBytes: null, refused: null }]);
  });

  test.each([
    ['no JSON', '{"front'],
    ['a list', '[]'],
    ['no state', JSON.stringify({ ...report, open: 'no' })],
    ['a front nobody knows', JSON.stringify({ ...report, front: 'elsewhere' })],
    ['a reason of 70 kB', JSON.stringify({ ...report, reason: 'x'.repeat(70_000) })],
  ])('%s: 400, and nothing is believed', async (_what, body) => {
    expect((await announce(body, {}, '/hook/admission')).status).toBe(400);
    expect(reported).toEqual([]);
  });

  test('without the token: 401', async () => {
    const answer = await announce(JSON.stringify(report), { authorization: 'Bearer x' }, '/hook/admission');
    expect(answer.status).toBe(401);
    expect(reported).toEqual([]);
  });
});

test('free space that is announced with an instance is handed on, and no reason to refuse it', async () => {
  for (const freeBytes of ['5000000000', 4e9, 'soon', null, -5, undefined]) {
    const body = JSON.stringify(announcement(`space-${freeBytes}`, { freeBytes }));
    expect((await announce(body)).status).toBe(200);
  }
  expect(measured.map(({ freeBytes }) => freeBytes)).toEqual([5e9, 4e9, null, null, null, null]);
});
