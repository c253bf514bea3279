import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { createPeerBook } from '../../src/orthanc/peer-book.ts';
import { createHealer } from '../../src/transfer/heal.ts';
import { createPeers, type Peers } from '../../src/transfer/peers.ts';
import { createQuarantineDesk } from '../../src/transfer/quarantine.ts';
import { createSettler } from '../../src/transfer/settle.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { makeInstance, makeStudy, type SyntheticInstance } from '../support/synthetic.ts';
import { carrying, claimedFor } from './carrying.ts';
import { rebindTo } from './rebind-to.ts';

/*
 * orthanc1 is the front itself in truth, under another address, as a slip in the topology makes it. It says yes to whatever the front
 * holds, and what it is told to delete is deleted on the front.
 */

const access = { username: 'orthanc', password: 'orthanc', requestTimeoutMs: 5000 };
const transferTimeout = { baseMs: 5000, bytesPerSecond: 1_000_000 };

let front: OrthancProcess;
let real: OrthancProcess;
let bench: Rig;
let peers: Peers;
let fronts: Map<string, Orthanc>;
let backends: Map<string, Orthanc>;
let release: (() => void)[];
let common: ReturnType<typeof commonDeps>;

const commonDeps = () => ({
  ledger: bench.ledger,
  fronts,
  backends,
  clock: bench.time.clock,
  log: silentLogger(),
});

beforeAll(async () => {
  [front, real] = await Promise.all([startOrthanc({ name: 'front' }), startOrthanc({ name: 'orthanc2' })]);
});
beforeEach(async () => {
  const alias = backendConfig('orthanc1', { url: front.url.replace('127.0.0.1', 'localhost') });
  const other = backendConfig('orthanc2', { url: real.url });
  bench = await rig([alias, other]);
  bench.allUp();
  const client = (name: string, url: string) => createOrthanc({ ...access, name, url });
  const book = createPeerBook({ ...access, name: 'front', url: front.url });
  const books = [alias, other].map(({ name, url }) => createPeerBook({ ...access, name, url }));
  fronts = new Map([['front', client('front', front.url)]]);
  backends = new Map([alias, other].map(({ name, url }) => [name, client(name, url)]));
  peers = createPeers({
    fronts: new Map([['front', book]]),
    backends: [alias, other],
    timeoutSeconds: 77,
    peersOf: ({ name }) => books[name === 'orthanc1' ? 0 : 1]?.all() ?? Promise.resolve(new Map()),
    log: silentLogger(),
  });
  await peers.compareAll();
  release = [book, ...books, ...fronts.values(), ...backends.values()].map((one) => () => one.close());
  common = commonDeps();
});
afterEach(async () => {
  await peers.stop();
  for (const close of release) close();
  await bench[Symbol.asyncDispose]();
});
afterAll(() => Promise.all([front?.stop(), real?.stop()]));

const isFront = (backend: string): Promise<boolean> => peers.isFront(backend);
const put = async (on: OrthancProcess, { file }: SyntheticInstance): Promise<void> => {
  await on.fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
};
const holds = async (on: OrthancProcess, { orthancId }: SyntheticInstance): Promise<boolean> =>
  (await on.fetch(`/instances/${orthancId}`)).ok;

/** A study that is new is followed to wherever it is found: to the front itself, if that is a backend too. */
test('a transfer proves nothing', async () => {
  const image = makeInstance({ seed: 'own-front' });
  await put(front, image);
  const transfer = claimedFor(bench, image, { kind: 'followed' });
  expect(transfer.deliveries.map((delivery) => delivery.askFirst)).toEqual([true]);
  const blamed: string[] = [];
  const carry = carrying(bench, {
    fronts,
    backends,
    peers,
    onBackendTrouble: (name) => blamed.push(name),
  });
  await carry(transfer, new AbortController().signal);
  expect(blamed).toEqual([]);
  expect(bench.ledger.receipts(image.studyUid)).toEqual([]);
  expect(bench.ledger.study(image.studyUid)).toMatchObject({
    state: 'assigned',
    waiting: expect.stringContaining('one of the fronts'),
  });
});

test.each([
  ['orthanc2', 'orthanc1'],
  ['orthanc1', 'orthanc2'],
])('a former copy on %s of a study that is bound to %s stays where it is', async (former, target) => {
  const { ledger, time } = bench;
  const study = makeStudy({ seed: `healed-${former}`, instances: 2 });
  const [image] = study.instances;
  if (image === undefined) throw new Error('the study has instances');
  for (const on of [front, real]) await put(on, image);
  ledger.adopt(study.studyUid, former, time.clock());
  time.advance(1);
  rebindTo(bench, study.studyUid, target);
  const healer = createHealer({
    ...common,
    pool: bench.pool,
    isFront,
    transferTimeout,
    random: () => 0.5,
  });
  for (let turn = 0; turn < 4; turn++) {
    await healer.sweep();
    time.advance(10_000);
    bench.allUp();
  }
  await healer.stop();
  expect([await holds(front, image), await holds(real, image)]).toEqual([true, true]);
  expect(ledger.formerCopies()).toMatchObject([
    { state: 'waiting', reason: expect.stringContaining('orthanc1 is one of the fronts') },
  ]);
});

test('an image in quarantine is not released to it', async () => {
  const { ledger, time } = bench;
  const image = makeInstance({ seed: 'released' });
  await put(front, image);
  const transfer = claimedFor(bench, image);
  ledger.conclude(
    transfer.id,
    { at: time.clock(), code: 'done', detail: '', bytesSent: 0, instancesSent: 0 },
    new Map(transfer.deliveries.map(({ id }) => [id, { kind: 'quarantine', code: 'refused', detail: 'no' }])),
  );
  const desk = createQuarantineDesk({ ...common, peers, transferTimeout, onRequeued: () => undefined });
  const request = { front: 'front', orthancId: image.orthancId, replace: false, who: 'a test' };
  for (const replace of [false, true]) {
    await expect(desk.release({ ...request, backend: 'orthanc1', replace })).rejects.toMatchObject({
      code: 'not-delivered',
      message: expect.stringContaining('one of the fronts'),
    });
    expect(await holds(front, image)).toBe(true);
    expect(ledger.quarantinedInstance('front', image.orthancId)).not.toBeNull();
  }
  // To one that is none, it is.
  await desk.release({ ...request, backend: 'orthanc2' });
  expect([await holds(front, image), await holds(real, image)]).toEqual([false, true]);
});

test('what was proven on a backend does not leave the front on the word of the front', async () => {
  const { ledger, time } = bench;
  const image = makeInstance({ seed: 'settled' });
  await put(front, image);
  ledger.received(arrival(image.studyUid, { orthancId: image.orthancId }), time.clock());
  const transfer = claimedFor(bench, image);
  // As it was while the name meant another machine.
  ledger.conclude(
    transfer.id,
    { at: time.clock(), code: 'done', detail: '', bytesSent: 1, instancesSent: 1 },
    new Map(transfer.deliveries.map(({ id }) => [id, { kind: 'proven', md5: image.md5, bytes: null }])),
  );
  const settler = createSettler({
    ...common,
    isFront,
    settleMs: 1000,
    onDoubt: () => undefined,
    metrics: createMetrics(),
  });
  for (let turn = 0; turn < 3; turn++) {
    time.advance(10_000);
    await settler.sweep();
  }
  await settler.stop();
  expect(await holds(front, image)).toBe(true);
  expect(ledger.study(image.studyUid)?.state).toBe('verified');
});
