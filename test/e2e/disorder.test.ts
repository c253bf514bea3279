import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendAllDicom, sendDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, frontsEmpty, startFarm, studiesOn } from '../support/farm.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeInstance, makeStudy, orthancIdOf, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';

interface StudyAnswer {
  readonly state: string;
  readonly backend: string | null;
  readonly instances: Record<'received' | 'verified' | 'removed' | 'quarantined' | 'vanished', number>;
}

const study = (farm: Farm, uid: string): Promise<StudyAnswer> =>
  farm.service.get(`/api/v1/studies/${encodeURIComponent(uid)}`);

const isImage = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'POST' && path === '/instances';

describe('what operators do behind its back', () => {
  const proxies = new Map<string, FaultProxy>();
  let farm: Farm;
  beforeAll(async () => {
    farm = await startFarm({
      settle: '500 ms',
      via: async (name, url) => {
        const proxy = await startProxy({ target: Number(new URL(url).port) });
        proxies.set(name, proxy);
        return proxy.url;
      },
    });
  });
  afterAll(async () => {
    await farm?.stop();
    for (const proxy of proxies.values()) await proxy.close();
  });

  test('an instance deleted on the front while it is being sent holds up nothing else, and is told', async () => {
    for (const proxy of proxies.values()) await proxy.set({ kind: 'stall', only: isImage });
    const sent = makeStudy({ seed: 'deleted-in-transfer', instances: 30 });
    await using dir = await tempDir();
    await sendAllDicom(await writeInstances(sent.instances, dir.path), { port: farm.front.dicomPort });
    await until(async () => (await study(farm, sent.studyUid)).state === 'sending', {
      what: 'the transfer to be under way',
    });
    const victims = sent.instances.slice(10, 15);
    for (const { orthancId } of victims) {
      expect((await farm.front.fetch(`/instances/${orthancId}`, { method: 'DELETE' })).status).toBe(200);
    }
    for (const proxy of proxies.values()) await proxy.set({ kind: 'pass' });

    await frontsEmpty(farm);
    const gone = new Set(victims.map(({ orthancId }) => orthancId));
    await expectDelivered(
      farm,
      sent.instances.filter(({ orthancId }) => !gone.has(orthancId)),
    );
    const seen = await until(
      async () => {
        const now = await study(farm, sent.studyUid);
        return now.instances.removed + now.instances.vanished === 30 ? now : false;
      },
      { what: 'every instance to be accounted for' },
    );
    // Some may have gone through before they were deleted; what did not is said, and a person is asked for.
    if (seen.instances.vanished > 0) expect(seen.state).toBe('quarantined');
    const { items } = await farm.service.get<{ items: { kind: string }[] }>(
      `/api/v1/studies/${sent.studyUid}/events`,
    );
    expect(items.some((event) => event.kind === 'vanished')).toBe(seen.instances.vanished > 0);
  });

  test('a backend that comes back under another address gets the late images of its studies', async () => {
    const sent = makeStudy({ seed: 'moved-address', instances: 12 });
    await using dir = await tempDir();
    await sendAllDicom(await writeInstances(sent.instances.slice(0, 6), `${dir.path}/first`), {
      port: farm.front.dicomPort,
    });
    await frontsEmpty(farm);
    const { backend } = await study(farm, sent.studyUid);
    const name = backend ?? '';
    const former = proxies.get(name);
    if (former === undefined) throw new Error(`${name} is not in the farm`);

    await former.close();
    const other = await startProxy({ target: farm.backend(name).httpPort });
    proxies.set(name, other);
    await sendAllDicom(await writeInstances(sent.instances.slice(6), `${dir.path}/late`), {
      port: farm.front.dicomPort,
    });

    const topologyFile = join(farm.home, 'orthanc-config', 'topology.yaml');
    const text = await readFile(topologyFile, 'utf8');
    expect(text).toContain(former.url);
    await writeFile(topologyFile, text.replaceAll(former.url, other.url));
    const peer = { Url: other.url, Username: 'orthanc', Password: 'orthanc' };
    const put = await farm.front.fetch(`/peers/${name}`, { method: 'PUT', body: JSON.stringify(peer) });
    expect(put.status).toBe(200);
    await farm.service.kill('SIGTERM');
    await farm.service.start();

    await frontsEmpty(farm);
    const studyOn = await expectDelivered(farm, sent.instances);
    expect(studyOn.get(sent.studyUid)).toBe(name);
  });
});

describe('identifiers and sizes of real life', () => {
  let farm: Farm;
  beforeAll(async () => {
    farm = await startFarm({ settle: '1 s' });
  });
  afterAll(async () => {
    await farm?.stop();
  });

  test.each([
    ['an odd length', '1.2.840.99999.1'],
    ['an even length', '1.2.840.99999.12'],
    ['one digit', '7'],
    ['the longest there may be', `2.25.${'8'.repeat(59)}`],
    ['leading zeros', '1.02.003.0004'],
    ['letters', '1.2.840.ABC.xyz'],
    ['a space inside', '1.2.840 .77'],
    ['a slash, a percent sign and a question mark', '1.2/3%2F4?5'],
    ['quotes', `1.2.'3".4`],
    ['what Orthanc would take for another, but for its case', '1.2.840.abc.XYZ'],
  ])('a StudyInstanceUID with %s is one study, whole, and is found by it', async (_what, studyUid) => {
    const sent = makeStudy({ seed: `uid-${studyUid}`, studyUid, instances: 5 });
    for (const instance of sent.instances) {
      // By REST: senders of DCMTK refuse some of these, modalities do not.
      const answer = await farm.front.fetch('/instances', {
        method: 'POST',
        body: new Uint8Array(instance.file),
      });
      expect(answer.status).toBe(200);
    }
    await frontsEmpty(farm);
    // Orthanc, as DCMTK below it, reads a UID without its spaces.
    const read = studyUid.replaceAll(' ', '');
    const studyOn = await expectDelivered(
      farm,
      sent.instances.map((instance) => ({
        ...instance,
        studyUid: read,
        orthancId: orthancIdOf(instance.patientId, read, instance.seriesUid, instance.sopUid),
      })),
    );
    await until(async () => (await study(farm, read)).state === 'removed', { what: 'it to be through' });
    expect(await study(farm, read)).toMatchObject({
      backend: studyOn.get(read),
      instances: { received: 5, verified: 5, removed: 5, vanished: 0, quarantined: 0 },
    });
  });

  test('a study of 5,000 instances lands whole on one backend', async () => {
    const sent = makeStudy({ seed: 'five-thousand', instances: 5000, series: 10, rows: 8, columns: 8 });
    await using dir = await tempDir();
    await sendAllDicom(await writeInstances(sent.instances, dir.path), {
      port: farm.front.dicomPort,
      associations: 4,
    });
    await frontsEmpty(farm, 120_000);
    const studyOn = await expectDelivered(farm, sent.instances);
    expect(studyOn.size).toBe(1);
  }, 180_000);

  test('3,000 studies of one instance each land on one backend each, spread over both', async () => {
    const before = await Promise.all([...farm.backends.values()].map(countInstances));
    const instances = Array.from({ length: 3000 }, (_, index) =>
      makeInstance({ seed: `single-${index}`, rows: 8, columns: 8 }),
    );
    await using dir = await tempDir();
    const answers = await sendDicom(await writeInstances(instances, dir.path), {
      port: farm.front.dicomPort,
      associations: 4,
    });
    // A front under load may refuse one for a moment; a modality sends it again.
    const refused = answers.filter(({ acknowledged }) => !acknowledged);
    expect(refused.length, `${refused[0]?.detail}\n${farm.front.log().slice(-2000)}`).toBeLessThan(10);
    await sendAllDicom(
      refused.map(({ file }) => file),
      { port: farm.front.dicomPort },
    );
    await frontsEmpty(farm, 120_000);
    const studyOn = await expectDelivered(farm, instances);
    expect(studyOn.size).toBe(3000);
    const after = await Promise.all([...farm.backends.values()].map(countInstances));
    for (const [index, count] of after.entries()) expect(count - (before[index] ?? 0)).toBeGreaterThan(1000);
    // No study twice, also of those that were never acknowledged.
    const [one = new Set<string>(), two = new Set<string>()] = await Promise.all(
      [...farm.backends.values()].map(studiesOn),
    );
    expect([...one].filter((uid) => two.has(uid))).toEqual([]);
  }, 180_000);
});
