import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import type { QuarantineDesk } from '../../src/transfer/failover.ts';
import { createQuarantineDesk } from '../../src/transfer/quarantine.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, type Only, startProxy } from '../support/proxy.ts';
import { makeInstance, type SyntheticInstance, withOtherContent } from '../support/synthetic.ts';

const deletions: Only = ({ path }) => path === '/tools/bulk-delete';

let front: OrthancProcess;
let backend: OrthancProcess;
let way: FaultProxy;
let clients: { readonly front: Orthanc; readonly backend: Orthanc };
let bench: Rig;
let desk: QuarantineDesk;
let requeued: string[];
let number = 0;

beforeAll(async () => {
  backend = await startOrthanc({ name: 'orthanc2' });
  const peer = { Url: backend.url, Username: 'orthanc', Password: 'orthanc' };
  front = await startOrthanc({ name: 'front', config: { OrthancPeers: { orthanc2: peer } } });
  way = await startProxy({ target: front.httpPort });
  const common = { username: 'orthanc', password: 'orthanc', requestTimeoutMs: 5000 };
  clients = {
    front: createOrthanc({ ...common, name: 'front', url: way.url }),
    backend: createOrthanc({ ...common, name: 'orthanc2', url: backend.url }),
  };
});
beforeEach(async () => {
  bench = await rig([backendConfig('orthanc1'), backendConfig('orthanc2')]);
  requeued = [];
  desk = createQuarantineDesk({
    ledger: bench.ledger,
    fronts: new Map([['front', clients.front]]),
    backends: new Map([['orthanc2', clients.backend]]),
    transferTimeout: { baseMs: 5000, bytesPerSecond: 1_000_000 },
    clock: bench.time.clock,
    log: silentLogger(),
    onRequeued: (study) => requeued.push(study),
  });
});
afterEach(async () => {
  await way.set({ kind: 'pass' });
  await bench[Symbol.asyncDispose]();
});
afterAll(async () => {
  clients?.front.close();
  clients?.backend.close();
  await way?.close();
  await Promise.all([front?.stop(), backend?.stop()]);
});

/** One on the front, refused by orthanc1. */
async function refused(): Promise<SyntheticInstance> {
  const { ledger, time } = bench;
  const image = makeInstance({ seed: `quarantined-${number++}` });
  await front.fetch('/instances', { method: 'POST', body: new Uint8Array(image.file) });
  const { studyUid, orthancId, sopUid } = image;
  ledger.received(arrival(studyUid, { orthancId, sopUid }), time.clock());
  ledger.decide({
    studyUid,
    copy: 0,
    at: time.clock(),
    policy: 'round-robin',
    kind: 'placed',
    backend: 'orthanc1',
    reason: 'for a test',
    considered: [],
  });
  const transfer = ledger.claim('orthanc1', { instances: 1, bytes: 1e9 }, time.clock());
  ledger.conclude(
    transfer?.id ?? 0,
    { at: time.clock(), code: 'done', detail: '', bytesSent: 0, instancesSent: 0 },
    new Map(
      transfer?.deliveries.map(({ id }) => [
        id,
        { kind: 'quarantine', code: 'refused', detail: 'no' } as const,
      ]),
    ),
  );
  return image;
}

const onFront = async ({ orthancId }: SyntheticInstance): Promise<boolean> =>
  (await front.fetch(`/instances/${orthancId}`)).ok;
const lastAction = (): unknown => bench.ledger.auditTrail({ limit: 1 }).items[0];
const release = (image: SyntheticInstance, replace = false) =>
  desk.release({ front: 'front', orthancId: image.orthancId, backend: 'orthanc2', replace, who: 'a test' });

test('released to a backend: proven there, and gone from the front', async () => {
  const image = await refused();
  expect(await release(image)).toEqual({ md5: image.md5 });
  expect(await clients.backend.md5(image.orthancId)).toBe(image.md5);
  expect(await onFront(image)).toBe(false);
  expect(bench.ledger.study(image.studyUid)).toMatchObject({
    state: 'removed',
    instances: { removed: 1, vanished: 0, quarantined: 0, discarded: 0 },
  });
  expect(lastAction()).toMatchObject({
    who: 'a test',
    action: 'quarantine-release',
    target: image.orthancId,
  });
  await expect(release(image)).rejects.toMatchObject({ code: 'not-in-quarantine' });
});

test('other content there is replaced only when that was asked for', async () => {
  const image = await refused();
  const other = withOtherContent(image);
  await backend.fetch('/instances', { method: 'POST', body: new Uint8Array(other.file) });
  await expect(release(image)).rejects.toMatchObject({ code: 'conflict-there' });
  expect(await clients.backend.md5(image.orthancId)).toBe(other.md5);
  expect(await onFront(image)).toBe(true);
  await release(image, true);
  expect(await clients.backend.md5(image.orthancId)).toBe(image.md5);
});

test('a front that does not delete keeps it in quarantine, and asking again goes on from there', async () => {
  const image = await refused();
  await way.set({ kind: 'respond', status: 500, only: deletions });
  await expect(release(image)).rejects.toMatchObject({ code: 'front-failed' });
  expect(bench.ledger.study(image.studyUid)?.state).toBe('quarantined');
  await way.set({ kind: 'pass' });
  await release(image);
  expect(await onFront(image)).toBe(false);
  expect(bench.ledger.study(image.studyUid)?.state).toBe('removed');
});

test('what cannot be sent, or to nobody, stays as it is', async () => {
  const image = await refused();
  const to = (name: string) =>
    desk.release({
      front: 'front',
      orthancId: image.orthancId,
      backend: name,
      replace: false,
      who: 'a test',
    });
  await expect(to('orthanc9')).rejects.toMatchObject({ code: 'unknown-backend' });
  await way.set({ kind: 'respond', status: 500, only: ({ path }) => path.endsWith('/store') });
  await expect(to('orthanc2')).rejects.toMatchObject({ code: 'not-delivered' });
  await way.set({ kind: 'refuse' });
  await expect(to('orthanc2')).rejects.toMatchObject({ code: 'front-failed' });
  await way.set({ kind: 'pass' });
  expect(bench.ledger.quarantinedInstance('front', image.orthancId)).not.toBeNull();
});

test('tried again: back in the queue, and whoever sends is told', async () => {
  const image = await refused();
  const { studyUid } = image;
  expect(desk.retry({ studyUid, orthancId: null, who: 'a test' })).toBe(1);
  expect(requeued).toEqual([studyUid]);
  expect(bench.ledger.study(studyUid)).toMatchObject({ state: 'assigned' });
  expect(() => desk.retry({ studyUid, orthancId: null, who: 'a test' })).toThrow(
    expect.objectContaining({ code: 'not-in-quarantine' }),
  );
  expect(lastAction()).toMatchObject({ action: 'quarantine-retry' });
});

test('not tried again while it is being released', async () => {
  const image = await refused();
  await way.set({ kind: 'stall', only: ({ path }) => path.endsWith('/store') });
  const releasing = release(image);
  const again = { studyUid: image.studyUid, orthancId: null, who: 'a test' };
  expect(() => desk.retry(again)).toThrow(expect.objectContaining({ code: 'not-delivered' }));
  await expect(release(image)).rejects.toMatchObject({ code: 'not-delivered' });
  await way.set({ kind: 'pass' });
  await releasing;
  expect(await onFront(image)).toBe(false);
});

test('given up: recorded, then deleted, and counted apart', async () => {
  const image = await refused();
  const request = { front: 'front', orthancId: image.orthancId, who: 'a test' };
  await desk.discard(request);
  expect(await onFront(image)).toBe(false);
  expect(await clients.backend.md5(image.orthancId)).toBeNull();
  expect(bench.ledger.study(image.studyUid)).toMatchObject({
    state: 'removed',
    instances: { quarantined: 0, discarded: 1 },
  });
  expect(lastAction()).toMatchObject({
    action: 'quarantine-discard',
    detail: expect.stringContaining(image.sopUid),
  });
  await expect(desk.discard(request)).rejects.toMatchObject({ code: 'not-in-quarantine' });
});

test('one that vanished: a person takes note of it', async () => {
  const { ledger, time } = bench;
  const image = makeInstance({ seed: `vanished-${number++}` });
  const { studyUid, orthancId } = image;
  ledger.received(arrival(studyUid, { orthancId }), time.clock());
  ledger.absent('front', [orthancId], time.clock());
  expect(ledger.study(studyUid)?.state).toBe('quarantined');
  await desk.discard({ front: 'front', orthancId, who: 'a test' });
  expect(ledger.study(studyUid)?.state).toBe('removed');
});

test('what is well and waits its turn cannot be given up', async () => {
  const { ledger, time } = bench;
  const image = makeInstance({ seed: `well-${number++}` });
  const { studyUid, orthancId } = image;
  ledger.received(arrival(studyUid, { orthancId }), time.clock());
  const request = { front: 'front', orthancId, who: 'a test' };
  await expect(desk.discard(request)).rejects.toMatchObject({ code: 'not-in-quarantine' });
  expect(ledger.study(studyUid)?.instances).toMatchObject({ received: 1, removed: 0, discarded: 0 });
});
