import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, withOtherContent, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered, expectSamePixels } from './expect.ts';

interface StudyAnswer {
  readonly state: string;
  readonly waiting: string | null;
  readonly backend: string | null;
  readonly epoch: number | null;
  readonly instances: Record<'received' | 'verified' | 'removed' | 'quarantined' | 'vanished', number>;
  readonly explorer: string;
}

let farm: Farm;
beforeAll(async () => {
  farm = await startFarm();
});
afterAll(async () => {
  await farm?.stop();
});

const study = (uid: string): Promise<StudyAnswer> => farm.service.get(`/api/v1/studies/${uid}`);

describe('a farm of two backends', () => {
  test('takes a study over four associations to one backend, whole, and the front is empty again', async () => {
    const sent = makeStudy({ seed: 'whole', instances: 120, series: 3 });
    await using dir = await tempDir();
    await sendAllDicom(await writeInstances(sent.instances, dir.path), {
      port: farm.front.dicomPort,
      associations: 4,
    });
    await frontsEmpty(farm);

    const studyOn = await expectDelivered(farm, sent.instances);
    const backend = studyOn.get(sent.studyUid) ?? '';
    for (const instance of sent.instances.slice(0, 3)) await expectSamePixels(farm, backend, instance);
    await until(async () => (await study(sent.studyUid)).state === 'removed', {
      what: 'the study to be removed',
    });
    expect(await study(sent.studyUid)).toMatchObject({
      backend,
      epoch: 1,
      waiting: null,
      instances: { received: 120, verified: 120, removed: 120, quarantined: 0, vanished: 0 },
    });
    const link = new URL((await study(sent.studyUid)).explorer);
    expect(link.port).toBe(String(farm.backend(backend).httpPort));

    const { items } = await farm.service.get<{ items: { md5: string; backend: string }[] }>(
      `/api/v1/studies/${sent.studyUid}/receipts`,
    );
    expect(items).toHaveLength(120);
    expect(new Set(items.map((receipt) => receipt.backend))).toEqual(new Set([backend]));
  });

  test('keeps each of many studies on one backend, and explains every choice', async () => {
    const studies = Array.from({ length: 8 }, (_, index) =>
      makeStudy({ seed: `spread-${index}`, instances: 3 }),
    );
    await using dir = await tempDir();
    await Promise.all(
      studies.map(async (sent) =>
        sendAllDicom(await writeInstances(sent.instances, `${dir.path}/${sent.studyUid}`), {
          port: farm.front.dicomPort,
        }),
      ),
    );
    await frontsEmpty(farm);
    const studyOn = await expectDelivered(
      farm,
      studies.flatMap((sent) => sent.instances),
    );
    // Which backend is a matter of how fast each has been, and on a busy machine that may be one for all.
    expect(studyOn.size).toBe(studies.length);

    const { items } = await farm.service.get<{
      items: {
        kind: string;
        backend: string;
        considered: { backend: string; passedOver: string | null }[];
      }[];
    }>(`/api/v1/studies/${studies[0]?.studyUid}/decisions`);
    const placed = items.find((decision) => decision.kind === 'placed');
    expect(placed?.considered.map((candidate) => candidate.backend).sort()).toEqual(['orthanc1', 'orthanc2']);
    const chosen = placed?.considered.find((candidate) => candidate.backend === placed.backend);
    const other = placed?.considered.find((candidate) => candidate.backend !== placed.backend);
    expect(chosen?.passedOver).toBeNull();
    expect(other?.passedOver).not.toBeNull();
  });

  test('has late instances follow their study, also after the service was killed and started anew', async () => {
    const sent = makeStudy({ seed: 'late', instances: 6 });
    const [early, late, later] = [
      sent.instances.slice(0, 2),
      sent.instances.slice(2, 4),
      sent.instances.slice(4),
    ];
    await using dir = await tempDir();
    const port = farm.front.dicomPort;
    await sendAllDicom(await writeInstances(early, `${dir.path}/1`), { port });
    await frontsEmpty(farm);
    const first = (await study(sent.studyUid)).backend;
    await sendAllDicom(await writeInstances(late, `${dir.path}/2`), { port });
    await frontsEmpty(farm);
    await farm.service.kill('SIGKILL');
    await farm.service.start();
    await sendAllDicom(await writeInstances(later, `${dir.path}/3`), { port });
    await frontsEmpty(farm);
    const studyOn = await expectDelivered(farm, sent.instances);
    expect(studyOn.get(sent.studyUid)).toBe(first);
    expect(await study(sent.studyUid)).toMatchObject({ epoch: 1, instances: { received: 6, removed: 6 } });
  });

  test('follows a study that a backend held before anybody told the ledger', async () => {
    const sent = makeStudy({ seed: 'before', instances: 4 });
    const [before, after] = [sent.instances.slice(0, 2), sent.instances.slice(2)];
    for (const instance of before) {
      const stored = await farm.backend('orthanc2').fetch('/instances', {
        method: 'POST',
        body: new Uint8Array(instance.file),
      });
      expect(stored.status).toBe(200);
    }
    await using dir = await tempDir();
    await sendAllDicom(await writeInstances(after, dir.path), { port: farm.front.dicomPort });
    await frontsEmpty(farm);
    const studyOn = await expectDelivered(farm, sent.instances);
    expect(studyOn.get(sent.studyUid)).toBe('orthanc2');
    const { items } = await farm.service.get<{ items: { kind: string }[] }>(
      `/api/v1/studies/${sent.studyUid}/decisions`,
    );
    expect(items.map((decision) => decision.kind)).toContain('followed');
  });

  test('proves a study sent again, and lets go of it again', async () => {
    const sent = makeStudy({ seed: 'again', instances: 10 });
    await using dir = await tempDir();
    const files = await writeInstances(sent.instances, dir.path);
    await sendAllDicom(files, { port: farm.front.dicomPort });
    await frontsEmpty(farm);
    await sendAllDicom(files, { port: farm.front.dicomPort, associations: 4 });
    await frontsEmpty(farm);
    await expectDelivered(farm, sent.instances);
    await until(async () => (await study(sent.studyUid)).state === 'removed', {
      what: 'the study to be removed',
    });
    expect(await study(sent.studyUid)).toMatchObject({
      instances: { received: 10, removed: 10, quarantined: 0 },
    });
  });

  test('keeps other content under a known identifier on the front, listed, never silently dropped', async () => {
    const sent = makeStudy({ seed: 'conflict', instances: 2 });
    const [first, second] = sent.instances;
    if (first === undefined || second === undefined) throw new Error('two instances were made');
    await using dir = await tempDir();
    const port = farm.front.dicomPort;
    await sendAllDicom(await writeInstances(sent.instances, `${dir.path}/1`), { port });
    await frontsEmpty(farm);
    const { backend } = await study(sent.studyUid);

    const changed = withOtherContent(first);
    await sendAllDicom(await writeInstances([changed], `${dir.path}/2`), { port });
    await until(async () => (await study(sent.studyUid)).instances.quarantined === 1, { what: 'quarantine' });
    expect(await countInstances(farm.front)).toBe(1);
    const { items } = await farm.service.get<{
      items: { orthancId: string; code: string; detail: string }[];
    }>('/api/v1/quarantine');
    expect(items.find((item) => item.orthancId === first.orthancId)).toMatchObject({ code: 'conflict' });
    expect(await study(sent.studyUid)).toMatchObject({ state: 'quarantined' });
    // What the backend has is what it had.
    await expectSamePixels(farm, backend ?? '', first);
    await farm.front.fetch(`/instances/${first.orthancId}`, { method: 'DELETE' });
    await until(async () => (await study(sent.studyUid)).instances.quarantined === 0, {
      what: 'the ledger to see that a person took it away',
    });
  });

  test('says so when somebody deletes on the front what was not proven yet', async () => {
    const sent = makeStudy({ seed: 'vanish', instances: 3 });
    for (const name of farm.backends.keys()) {
      await farm.service.request(`/api/v1/backends/${name}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ state: 'maint' }),
      });
    }
    await using dir = await tempDir();
    await sendAllDicom(await writeInstances(sent.instances, dir.path), { port: farm.front.dicomPort });
    await until(async () => /maint/.test((await study(sent.studyUid)).waiting ?? ''), {
      what: 'the study to wait and say why',
    });

    const [gone] = sent.instances;
    await farm.front.fetch(`/instances/${gone?.orthancId}`, { method: 'DELETE' });
    await until(async () => (await study(sent.studyUid)).instances.vanished === 1, {
      what: 'it to be missed',
    });
    const { items } = await farm.service.get<{ items: { text: string }[] }>(
      `/api/v1/studies/${sent.studyUid}/events`,
    );
    expect(items.length).toBeGreaterThan(0);

    for (const name of farm.backends.keys()) {
      await farm.service.request(`/api/v1/backends/${name}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ state: 'ready' }),
      });
    }
    await frontsEmpty(farm);
    await expectDelivered(farm, sent.instances.slice(1));
    expect(await study(sent.studyUid)).toMatchObject({ instances: { received: 3, removed: 2, vanished: 1 } });
  });
});
