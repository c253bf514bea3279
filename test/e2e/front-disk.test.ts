import { expect, onTestFinished } from 'vitest';
import { type SendAnswer, sendDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import type { OrthancProcess } from '../support/orthanc-process.ts';
import { smallDisk, testOnSmallDisk } from '../support/small-disk.ts';
import { makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';

interface Seen {
  readonly items: readonly { readonly takesImages: boolean; readonly refusing: string | null }[];
}

async function setBackends(farm: Farm, state: 'ready' | 'maint'): Promise<void> {
  for (const name of farm.backends.keys()) {
    const answer = await farm.service.request(`/api/v1/backends/${name}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ state }),
    });
    expect(answer.status).toBe(200);
  }
}

/** The figure of a metric of the front. */
async function metric(farm: Farm, name: string): Promise<number> {
  const text = await (await farm.service.request('/metrics')).text();
  return Number(new RegExp(`^${name}\\{front="front"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** From so many associations at once, until everything was answered or the front has refused for good. */
async function sendAll(farm: Farm, files: readonly string[], associations: number): Promise<SendAnswer[]> {
  return sendDicom(files, { port: farm.front.dicomPort, associations, timeoutMs: 60_000 });
}

/** Every byte of the pixels is there, not only as many as there are. */
async function isWhole(orthanc: OrthancProcess, { file, orthancId }: SyntheticInstance): Promise<boolean> {
  const answer = await orthanc.fetch(`/instances/${orthancId}/file`);
  const stored = Buffer.from(await answer.arrayBuffer());
  const pixels = file.subarray(file.indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00])));
  return answer.ok && stored.subarray(-pixels.length).equals(pixels);
}

async function expectWholeAndEqual(farm: Farm, acknowledged: readonly SyntheticInstance[]): Promise<void> {
  const studyOn = await expectDelivered(farm, acknowledged);
  for (const instance of acknowledged) {
    const backend = farm.backend(studyOn.get(instance.studyUid) ?? '');
    expect(await isWhole(backend, instance), `content of ${instance.orthancId}`).toBe(true);
  }
}

testOnSmallDisk(
  import.meta.filename,
  'a front whose disk fills refuses in time, says so, loses nothing, and takes images again',
  { timeout: 120_000 },
  async () => {
    const disk = await smallDisk(64);
    onTestFinished(() => disk.remove());
    await using farm = await startFarm({
      storage: { front: disk.path },
      routing: { admission: { minFree: '16 MB' } },
      orthancConfig: { front: { SyncStorageArea: true } },
    });
    await setBackends(farm, 'maint');
    await using dir = await tempDir();
    /** Once it refuses, a front takes images again from a quarter more than its limit. */
    const resumesAt = 1.25 * 16e6;
    // Together nearly three times the disk, and sent again until the front takes nothing more.
    const studies = Array.from({ length: 16 }, (_, index) =>
      makeStudy({ seed: `disk-${index}`, instances: 40, bytes: 256_000 }),
    );
    const instances = studies.flatMap((study) => study.instances);
    const files = await writeInstances(instances, dir.path);
    const taken = new Set<string>();
    const statuses = new Set<string | null>();
    await until(
      async () => {
        const left = files.filter((file) => !taken.has(file));
        const answers = await sendAll(farm, left, 10);
        for (const { file, acknowledged, status } of answers) {
          if (acknowledged) taken.add(file);
          else statuses.add(status);
        }
        // With space left it has refused what came faster than it could be written, and takes more when that is on the disk.
        return disk.freeBytes() < resumesAt && !answers.some(({ acknowledged }) => acknowledged);
      },
      { what: 'the front to take nothing more', timeoutMs: 60_000 },
    );
    const acknowledged = instances.filter((_, index) => taken.has(files[index] ?? ''));
    expect(acknowledged.length).toBeGreaterThan(100);
    expect(acknowledged.length).toBeLessThan(200);
    expect(statuses).toEqual(new Set(['0xa700']));
    expect(await countInstances(farm.front)).toBe(acknowledged.length);
    expect(disk.freeBytes()).toBeGreaterThan(8e6);

    const { items } = await farm.service.get<Seen>('/api/v1/fronts');
    expect(items).toMatchObject([
      { takesImages: false, refusing: expect.stringMatching(/MB free on the disk of this front/) },
    ]);
    expect(await metric(farm, 'dde_front_takes_images')).toBe(0);
    expect(await metric(farm, 'dde_front_free_bytes')).toBeGreaterThan(8e6);
    expect(farm.service.log()).toContain('front refuses new images');

    await setBackends(farm, 'ready');
    await frontsEmpty(farm);
    // Senders try again; the first image after the disk has space opens the front.
    const again = instances.filter((_, index) => !taken.has(files[index] ?? '')).slice(0, 60);
    const filesAgain = await writeInstances(again, `${dir.path}/again`);
    await until(async () => (await sendAll(farm, filesAgain, 4)).every((answer) => answer.acknowledged), {
      what: 'the front to take everything',
      timeoutMs: 30_000,
    });
    await frontsEmpty(farm);
    expect((await farm.service.get<Seen>('/api/v1/fronts')).items).toMatchObject([
      { takesImages: true, refusing: null },
    ]);
    expect(await metric(farm, 'dde_front_takes_images')).toBe(1);
    expect(await metric(farm, 'dde_front_refused_images_total')).toBeGreaterThan(0);
    await expectWholeAndEqual(farm, [...acknowledged, ...again]);
  },
);

testOnSmallDisk(
  import.meta.filename,
  'while the service is away a front with a nearly full disk refuses by itself',
  { timeout: 60_000 },
  async () => {
    const disk = await smallDisk(48);
    onTestFinished(() => disk.remove());
    await using farm = await startFarm({
      storage: { front: disk.path },
      routing: { admission: { minFree: '16 MB' } },
    });
    await farm.service.kill('SIGKILL');
    await using dir = await tempDir();
    const { instances } = makeStudy({ seed: 'disk-alone', instances: 40, bytes: 1_000_000 });
    const answers = await sendAll(farm, await writeInstances(instances, dir.path), 4);
    const acknowledged = instances.filter((_, index) => answers[index]?.acknowledged);
    expect(answers.filter(({ status }) => status === '0xa700').length).toBeGreaterThan(5);
    expect(acknowledged.length).toBeGreaterThan(5);
    expect(disk.freeBytes()).toBeGreaterThan(8e6);
    await farm.service.start();
    await frontsEmpty(farm);
    await expectWholeAndEqual(farm, acknowledged);
  },
);

testOnSmallDisk(
  import.meta.filename,
  'with no limit at all, what a full disk has damaged never counts as delivered and stays on the front',
  { timeout: 120_000 },
  async () => {
    const disk = await smallDisk(24);
    onTestFinished(() => disk.remove());
    await using farm = await startFarm({
      storage: { front: disk.path },
      routing: { admission: { minFree: 'none' } },
      orthancConfig: { front: { SyncStorageArea: true } },
    });
    await setBackends(farm, 'maint');
    disk.fill(4_000_000);
    await using dir = await tempDir();
    // The smaller the file, the more of it is in the last page, whose loss nobody notices.
    const instances = Array.from({ length: 10 }, (_, index) =>
      makeStudy({ seed: `no-limit-${index}`, instances: 60, bytes: index % 2 === 0 ? 1500 : 20_000 }),
    ).flatMap((study) => study.instances);
    const answers = await sendAll(farm, await writeInstances(instances, dir.path), 8);
    expect(answers.some(({ status }) => status === '0xa700')).toBe(true);
    const acknowledged = instances.filter((_, index) => answers[index]?.acknowledged);
    disk.free();
    const healthy: SyntheticInstance[] = [];
    for (const instance of acknowledged) if (await isWhole(farm.front, instance)) healthy.push(instance);
    const damaged = acknowledged.filter((instance) => !healthy.includes(instance));
    expect(healthy.length).toBeGreaterThan(damaged.length);

    await setBackends(farm, 'ready');
    await until(
      async () => {
        await expectWholeAndEqual(farm, healthy);
        return true;
      },
      { what: 'everything that is whole to be delivered', timeoutMs: 60_000, intervalMs: 500 },
    );
    for (const { orthancId } of damaged)
      expect((await farm.front.fetch(`/instances/${orthancId}`)).status).toBe(200);
  },
);
