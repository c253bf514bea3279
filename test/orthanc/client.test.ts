import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type OrthancProcess, orthancVersion, startOrthanc } from '../support/orthanc-process.ts';
import { freePort } from '../support/ports.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeInstance, makeStudy, uidOf, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

const UNKNOWN = '00000000-00000000-00000000-00000000-00000000';

function clientOf(orthanc: OrthancProcess): Orthanc {
  const { name, url, username, password } = orthanc;
  return createOrthanc({ name, url, username, password, requestTimeoutMs: 10_000 });
}

describe('the client of a real Orthanc', () => {
  let back: OrthancProcess;
  let front: OrthancProcess;
  let slow: FaultProxy;
  let client: Orthanc;
  let peer: Orthanc;

  beforeAll(async () => {
    back = await startOrthanc({ name: 'BACK' });
    slow = await startProxy({ target: back.httpPort });
    const access = { Username: back.username, Password: back.password };
    front = await startOrthanc({
      name: 'FRONT',
      config: {
        OrthancPeers: {
          back: { Url: back.url, ...access },
          slow: { Url: slow.url, Timeout: 30, ...access },
          dead: { Url: `http://127.0.0.1:${await freePort()}`, ...access },
        },
      },
    });
    client = clientOf(front);
    peer = clientOf(back);
  });

  afterAll(async () => {
    client?.close();
    peer?.close();
    await slow?.close();
    await Promise.all([front?.stop(), back?.stop()]);
  });

  it('says what it is and how busy it is', async () => {
    expect(await client.system()).toMatchObject({
      name: 'FRONT',
      version: orthancVersion(),
      dicomPort: front.dicomPort,
    });
    // Whatever order the tests run in: what an earlier one left under way comes to its end first.
    const load = await until(
      async () => {
        const reading = await client.load();
        return reading.jobsRunning === 0 && reading.activeRequests === 1 ? reading : null;
      },
      { what: 'an idle Orthanc' },
    );
    expect(load.latencyMs).toBeGreaterThan(0);
    expect(load.jobsPending).toBe(0);
    expect(load.instances).toBe(await client.countInstances());
    expect(load.diskBytes).not.toBeNull();
    expect([...(await client.peers())].sort()).toEqual(['back', 'dead', 'slow']);
  });

  it('describes what was stored by C-STORE and by REST, and leaves out what it does not hold', async () => {
    await using dir = await tempDir();
    const { instances } = makeStudy({ instances: 4, series: 2, modality: 'MR', station: 'ROOM 1' });
    const files = await writeInstances(instances.slice(0, 3), dir.path);
    await sendAllDicom(files, { port: front.dicomPort, calledAet: 'ANY', callingAet: 'SCANNER' });
    const uploaded = instances[3] ?? makeInstance();
    expect(await client.upload(uploaded.file)).toEqual({ orthancId: uploaded.orthancId, status: 'Success' });
    expect(await client.upload(uploaded.file)).toMatchObject({ status: 'AlreadyStored' });

    const ids = instances.map((instance) => instance.orthancId);
    const listed: string[] = [];
    await client.instanceIds((some) => listed.push(...some));
    expect(listed).toEqual(expect.arrayContaining(ids));
    const described = new Map(
      (await client.describe([...ids, UNKNOWN, ...ids])).map((one) => [one.orthancId, one]),
    );
    const sizes = await client.sizes([...ids, UNKNOWN]);
    expect([...described.keys()].sort()).toEqual([...ids].sort());
    expect([...sizes.keys()].sort()).toEqual([...ids].sort());
    const held = await client.held([...ids, UNKNOWN, ...ids]);
    expect(new Map([...held].map(([id, { bytes }]) => [id, bytes]))).toEqual(sizes);
    expect(new Map([...held].map(([id, { md5 }]) => [id, md5]))).toEqual(await client.md5s(ids));
    for (const instance of instances) {
      const byDicom = instance !== uploaded;
      expect(described.get(instance.orthancId)).toEqual({
        front: 'FRONT',
        orthancId: instance.orthancId,
        studyUid: instance.studyUid,
        seriesUid: instance.seriesUid,
        sopUid: instance.sopUid,
        modality: 'MR',
        station: 'ROOM 1',
        remoteAet: byDicom ? 'SCANNER' : null,
        calledAet: byDicom ? 'ANY' : null,
        remoteIp: '127.0.0.1',
        transferSyntax: '1.2.840.10008.1.2.1',
        bytes: sizes.get(instance.orthancId),
        bytesExact: true,
      });
    }
    expect(sizes.get(uploaded.orthancId)).toBe(uploaded.file.length);
    expect(await client.studyInstances(uploaded.studyUid)).toBe(4);
  });

  it('gives the MD5 of the file as it stands there, and null for what it does not hold', async () => {
    const { instances } = makeStudy({ instances: 30 });
    for (const instance of instances) await client.upload(instance.file);
    const ids = instances.map((instance) => instance.orthancId);
    const md5s = await client.md5s([...ids, UNKNOWN]);
    expect(md5s).toEqual(
      new Map([...instances.map(({ orthancId, md5 }) => [orthancId, md5] as const), [UNKNOWN, null]]),
    );
  });

  it('hashes the file itself where no MD5 was recorded', async () => {
    await using plain = await startOrthanc({
      name: 'NOMD5',
      config: { StoreMD5ForAttachments: false, StorageCompression: true },
    });
    const orthanc = clientOf(plain);
    const instance = makeInstance({ bytes: 300_000 });
    await orthanc.upload(instance.file);
    expect(createHash('md5').update(instance.file).digest('hex')).toBe(instance.md5);
    expect(await orthanc.md5(instance.orthancId)).toBe(instance.md5);
    expect(await orthanc.md5(UNKNOWN)).toBeNull();
    orthanc.close();
  });

  it('counts a study over all patients who have it, and does not take a wildcard for a study', async () => {
    const studyUid = uidOf(`shared/${front.httpPort}`);
    for (const patientId of ['A', 'B']) {
      for (const { file } of makeStudy({ instances: 2, studyUid, patientId }).instances)
        await client.upload(file);
    }
    expect(await client.studyInstances(studyUid)).toBe(4);
    expect(await client.studyIds(studyUid)).toHaveLength(2);
    for (const odd of ['1.2.3', '', '*', `${studyUid.slice(0, -1)}?`, `1.2\\${studyUid}`, 'ü/../"']) {
      expect(await client.studyInstances(odd)).toBe(0);
    }
  });

  it('sends to a peer, and says so when it could not', async () => {
    const { instances } = makeStudy({ instances: 20 });
    for (const { file } of instances) await client.upload(file);
    const ids = instances.map((instance) => instance.orthancId);
    await client.storeToPeer('back', ids);
    expect(await peer.md5s(ids)).toEqual(await client.md5s(ids));
    await expect(client.storeToPeer('nobody', ids)).rejects.toMatchObject({ code: 'not-found' });
    await expect(client.storeToPeer('back', [...ids, UNKNOWN])).rejects.toMatchObject({ code: 'not-found' });
    await expect(client.storeToPeer('dead', ids)).rejects.toMatchObject({ code: 'server-error' });
    await slow.set({ kind: 'respond', status: 500, body: '{}' });
    await expect(client.storeToPeer('slow', ids)).rejects.toMatchObject({ name: 'OrthancError' });
    await slow.set({ kind: 'pass' });
  });

  it('cancels the jobs that carry an instance, and no others', async () => {
    const instance = makeInstance();
    await client.upload(instance.file);
    await slow.set({ kind: 'stall' });
    const sending = client.storeToPeer('slow', [instance.orthancId], { timeoutMs: 30_000 }).then(
      () => 'sent',
      () => 'failed',
    );
    await until(async () => (await client.load()).jobsRunning === 1, { what: 'the job to run' });
    expect(await client.cancelStores([UNKNOWN])).toBe(0);
    expect(await client.cancelStores([UNKNOWN, instance.orthancId])).toBe(1);
    await slow.set({ kind: 'refuse' });
    expect(await sending).toBe('failed');
    expect(await client.cancelStores([instance.orthancId])).toBe(0);
    await slow.set({ kind: 'pass' });
  });

  it('deletes, whether it is there or not', async () => {
    const { instances } = makeStudy({ instances: 3 });
    for (const { file } of instances) await client.upload(file);
    const [first = UNKNOWN, ...others] = instances.map((instance) => instance.orthancId);
    await client.delete(first);
    await client.delete(first);
    await client.bulkDelete([first, UNKNOWN, ...others]);
    await client.bulkDelete([]);
    expect(await client.studyInstances(instances[0]?.studyUid ?? '')).toBe(0);
  });

  it('refuses what is no DICOM, in its own words', async () => {
    await expect(client.upload(Buffer.from('no image'))).rejects.toMatchObject({
      code: 'rejected',
      status: 400,
      details: expect.stringContaining('DICOM'),
    });
  });

  it('uses one connection for calls that follow each other, with the keep-alive an Orthanc has by default', async () => {
    await using stock = await startOrthanc({ name: 'STOCK', config: { KeepAliveTimeout: undefined } });
    await using proxy = await startProxy({ target: stock.httpPort });
    const orthanc = createOrthanc({
      name: 'STOCK',
      url: proxy.url,
      username: 'orthanc',
      password: 'orthanc',
      requestTimeoutMs: 5_000,
    });
    for (let call = 0; call < 30; call++) await orthanc.countInstances();
    expect(proxy.requests).toHaveLength(30);
    expect(proxy.connections).toBe(1);
    orthanc.close();
  });
});
