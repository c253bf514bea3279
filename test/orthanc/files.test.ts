import { createHash } from 'node:crypto';
import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { studiesOn } from '../support/farm.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeInstance, makeStudy, uidOf } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';

const UNKNOWN = '00000000-00000000-00000000-00000000-00000000';
const md5Of = (file: Buffer): string => createHash('md5').update(file).digest('hex');

let back: OrthancProcess;
let front: OrthancProcess;
let proxy: FaultProxy;
let client: Orthanc;
let direct: Orthanc;

beforeAll(async () => {
  back = await startOrthanc({ name: 'BACK' });
  proxy = await startProxy({ target: back.httpPort });
  const access = { Username: back.username, Password: back.password };
  front = await startOrthanc({
    name: 'FRONT',
    config: { OrthancPeers: { back: { Url: `${proxy.url}/`, Timeout: 30, ...access } } },
  });
  const common = { name: 'BACK', username: back.username, password: back.password, requestTimeoutMs: 10_000 };
  client = createOrthanc({ ...common, url: proxy.url });
  direct = createOrthanc({ ...common, url: back.url });
});
afterEach(() => proxy.set({ kind: 'pass' }));
afterAll(async () => {
  client?.close();
  direct?.close();
  await proxy?.close();
  await Promise.all([front?.stop(), back?.stop()]);
});

describe('what an Orthanc holds of a study', () => {
  it('is listed over all series and all patients who have it', async () => {
    const studyUid = uidOf('listed');
    const ids: string[] = [];
    for (const patientId of ['A', 'B']) {
      const { instances } = makeStudy({ seed: patientId, instances: 7, series: 3, studyUid, patientId });
      for (const { file, orthancId } of instances) {
        await client.upload(file);
        ids.push(orthancId);
      }
    }
    expect([...(await client.studyInstanceIds(studyUid))].sort()).toEqual(ids.sort());
    expect(await client.studyInstanceIds(uidOf('of nobody'))).toEqual([]);
    expect(await client.studyInstanceIds('*')).toEqual([]);
  });

  it('is found among all studies', async () => {
    const wanted: string[] = [];
    for (let n = 0; n < 12; n++) {
      const one = makeInstance({ seed: `among-${n}` });
      await client.upload(one.file);
      wanted.push(one.studyUid);
    }
    const found: string[] = [];
    for await (const some of client.studyUids()) found.push(...some);
    expect(found).toEqual(expect.arrayContaining(wanted));
    expect(new Set(found)).toEqual(await studiesOn(back));
  });
});

describe('many questions', () => {
  it('go over one connection, again and again, and each answer to its own question', async () => {
    const { instances } = makeStudy({ seed: 'many-questions', instances: 60 });
    for (const { file } of instances) await client.upload(file);
    const ids = instances.map(({ orthancId }) => orthancId);
    await client.md5s(ids.slice(0, 1));
    const before = proxy.connections;
    for (let round = 0; round < 5; round++) {
      expect(await client.md5s(ids)).toEqual(
        new Map(instances.map(({ orthancId, md5 }) => [orthancId, md5])),
      );
      expect([...(await client.verify(ids)).values()]).toEqual(ids.map(() => 'intact'));
    }
    expect(proxy.connections - before).toBeLessThanOrEqual(1);
    // Sets at the same time have a connection each.
    const sets = await Promise.all(
      [ids.slice(0, 20), ids.slice(20, 40), ids.slice(40)].map((set) => client.held(set)),
    );
    expect(sets.map((set) => set.size)).toEqual([20, 20, 20]);
  });

  it('are given up together when nothing is answered any more, and not while answers keep coming', async () => {
    const { instances } = makeStudy({ seed: 'slow-answers', instances: 6 });
    for (const { file } of instances) await client.upload(file);
    const ids = instances.map(({ orthancId }) => orthancId);
    await proxy.set({ kind: 'stall' });
    await expect(client.held(ids, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'timeout' });
    const ending = new AbortController();
    const asked = client.held(ids, { signal: ending.signal });
    ending.abort();
    await expect(asked).rejects.toMatchObject({ code: 'timeout' });
    await proxy.set({ kind: 'pass' });
    expect((await client.held(ids)).size).toBe(6);
  });
});

describe('a file', () => {
  it('comes and goes as a stream of its true length', async () => {
    const instance = makeInstance({ seed: 'streamed', bytes: 3_000_000 });
    const held = instance.orthancId;
    expect(await client.download(held)).toBeNull();
    expect(
      await client.upload(Readable.from(pieces(instance.file)), { bytes: instance.file.length }),
    ).toEqual({ orthancId: held, status: 'Success' });
    const there = await client.download(held);
    expect(there?.bytes).toBe(instance.file.length);
    expect(there === null ? '' : md5Of(await buffer(there.file))).toBe(instance.md5);
    expect(await client.md5(held)).toBe(instance.md5);
    expect(await client.readBack(held)).toBe(instance.md5);
    expect(await client.readBack(UNKNOWN)).toBeNull();
  });

  it('goes from one Orthanc to another', async () => {
    const instance = makeInstance({ seed: 'relayed', bytes: 1_000_000 });
    await front.fetch('/instances', { method: 'POST', body: new Uint8Array(instance.file) });
    const source = createOrthanc({
      name: 'FRONT',
      url: front.url,
      username: front.username,
      password: front.password,
      requestTimeoutMs: 10_000,
    });
    const there = await source.download(instance.orthancId);
    if (there === null) throw new Error('it was just stored');
    await client.upload(there.file, { bytes: there.bytes });
    expect(await client.md5(instance.orthancId)).toBe(instance.md5);
    source.close();
  });

  it('that breaks off on the way there leaves nothing, whoever broke it', async () => {
    const instance = makeInstance({ seed: 'broken', bytes: 400_000 });
    const bytes = instance.file.length;
    const shorter = Readable.from(pieces(instance.file.subarray(0, bytes - 1000)));
    await expect(client.upload(shorter, { bytes })).rejects.toMatchObject({ code: 'unreachable' });
    const longer = Readable.from(pieces(Buffer.concat([instance.file, Buffer.alloc(1000)])));
    await expect(client.upload(longer, { bytes: bytes - 1000 })).rejects.toMatchObject({
      name: 'OrthancError',
    });
    async function* failing(): AsyncGenerator<Buffer, void, undefined> {
      yield instance.file.subarray(0, 100_000);
      throw new Error('the source broke');
    }
    await expect(client.upload(Readable.from(failing()), { bytes })).rejects.toMatchObject({
      code: 'unreachable',
    });
    await proxy.set({ kind: 'cut-request', afterBytes: 200_000 });
    await expect(client.upload(Readable.from(pieces(instance.file)), { bytes })).rejects.toMatchObject({
      code: 'unreachable',
    });
    await proxy.set({ kind: 'pass' });
    await expect(
      client.upload(Readable.from(dribble(instance.file)), { bytes, timeoutMs: 300 }),
    ).rejects.toMatchObject({ code: 'timeout' });
    expect(await direct.md5(instance.orthancId)).toBeNull();
  });

  it('that breaks off on the way here is an error, never a shorter file', async () => {
    const instance = makeInstance({ seed: 'cut', bytes: 400_000 });
    await client.upload(instance.file);
    await proxy.set({ kind: 'cut', afterBytes: 200_000 });
    const there = await client.download(instance.orthancId);
    await expect(there === null ? null : buffer(there.file)).rejects.toMatchObject({ code: 'unreachable' });
    await expect(client.readBack(instance.orthancId)).rejects.toMatchObject({ code: 'unreachable' });
    await proxy.set({ kind: 'throttle', bytesPerSecond: 50_000 });
    const slow = await client.download(instance.orthancId, { timeoutMs: 500 });
    await expect(slow === null ? null : buffer(slow.file)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('that nobody wants any more holds no connection', async () => {
    const instance = makeInstance({ seed: 'unwanted', bytes: 2_000_000 });
    await client.upload(instance.file);
    const there = await client.download(instance.orthancId);
    there?.file.destroy();
    client.close();
    await until(() => proxy.open === 0, { what: 'its connection to be closed' });
  });

  it.each([
    { records: true, states: ['damaged', 'damaged', 'intact', 'absent'] },
    // Then there is nothing to compare with, and `md5` reads the file itself.
    { records: false, states: ['intact', 'intact', 'intact', 'absent'] },
  ])(
    'whose end is missing on the disk is found out (MD5 recorded: $records)',
    async ({ records, states }) => {
      await using own = await startOrthanc({
        name: 'OWN',
        config: { MaximumStorageCacheSize: 0, StoreMD5ForAttachments: records },
      });
      const { username, password } = own;
      const orthanc = createOrthanc({
        name: 'OWN',
        url: own.url,
        username,
        password,
        requestTimeoutMs: 5000,
      });
      const images = ['shorter', 'lost', 'untouched'].map((seed) => makeInstance({ seed, bytes: 50_000 }));
      const files: string[] = [];
      for (const { file } of images) {
        await orthanc.upload(file);
        const now = await filesBelow(join(own.folder, 'storage'));
        files.push(...now.filter((name) => !files.includes(name)));
      }
      const [shorter = '', lost = ''] = files;
      await truncate(shorter, 49_000);
      await rm(lost);
      const ids = [...images.map((image) => image.orthancId), UNKNOWN];
      const found = await orthanc.verify(ids);
      expect(ids.map((id) => found.get(id))).toEqual(states);
      await own.kill('SIGKILL');
      await expect(orthanc.verify(ids)).rejects.toMatchObject({ code: 'unreachable' });
      orthanc.close();
    },
  );

  it('that cannot be read back is told from an Orthanc that is away', async () => {
    await using own = await startOrthanc({ name: 'OWN' });
    const orthanc = createOrthanc({
      name: 'OWN',
      url: own.url,
      username: own.username,
      password: own.password,
      requestTimeoutMs: 5000,
    });
    const [short, missing, whole] = ['short', 'missing', 'whole'].map((seed) =>
      makeInstance({ seed, bytes: 50_000 }),
    );
    if (short === undefined || missing === undefined || whole === undefined)
      throw new Error('three were made');
    const files: string[] = [];
    const before = new Set<string>();
    for (const { file } of [short, missing, whole]) {
      await orthanc.upload(file);
      const now = await filesBelow(join(own.folder, 'storage'));
      files.push(...now.filter((name) => !before.has(name)));
      for (const name of now) before.add(name);
    }
    const [shortFile, missingFile] = files;
    if (shortFile === undefined || missingFile === undefined) throw new Error('a file each');
    await truncate(shortFile, 1000);
    await rm(missingFile);
    // It would answer from its memory what it has just stored.
    await own.restart();
    expect(await orthanc.readBack(short.orthancId)).not.toBe(short.md5);
    expect(await orthanc.readBack(missing.orthancId)).toBeNull();
    expect(await orthanc.readBack(whole.orthancId)).toBe(whole.md5);
    await own.kill('SIGKILL');
    await expect(orthanc.readBack(whole.orthancId)).rejects.toMatchObject({ code: 'unreachable' });
    orthanc.close();
  });
});

it('says which peer an open job sends to, and what it carries', async () => {
  const at = createOrthanc({
    name: 'FRONT',
    url: front.url,
    username: front.username,
    password: front.password,
    requestTimeoutMs: 5000,
  });
  const { instances } = makeStudy({ seed: 'open', instances: 3 });
  for (const { file } of instances) await at.upload(file);
  expect(await at.openStores()).toEqual([]);
  await proxy.set({ kind: 'stall', only: ({ method, path }) => method === 'POST' && path === '/instances' });
  const ids = instances.map((instance) => instance.orthancId);
  const sending = at.storeToPeer('back', ids, { timeoutMs: 30_000 }).catch(() => 'failed');
  const [open] = await until(
    async () => {
      const stores = await at.openStores();
      return stores.length > 0 ? stores : null;
    },
    { what: 'the job to run' },
  );
  expect(open).toMatchObject({ peer: 'back', progress: expect.any(Number) });
  await until(async () => (await at.openStores())[0]?.running === true, { what: 'a thread to take the job' });
  expect([...(open?.instances ?? [])].sort()).toEqual([...ids].sort());
  await front.fetch('/peers/back', {
    method: 'PUT',
    body: JSON.stringify({ Url: 'http://127.0.0.1:9', Username: 'a', Password: 'b' }),
  });
  expect((await at.openStores())[0]).toMatchObject({ peer: null });
  await proxy.set({ kind: 'pass' });
  await sending;
  await until(async () => (await at.openStores()).length === 0, { what: 'the job to end' });
  at.close();
});

function* pieces(file: Buffer): Generator<Buffer, void, undefined> {
  for (let from = 0; from < file.length; from += 65_536) yield file.subarray(from, from + 65_536);
}

/** Never ends in the time that a test has. */
async function* dribble(file: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (const piece of pieces(file)) {
    yield piece;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\/[0-9a-f]{2}\/[0-9a-f]{2}$/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name));
}
