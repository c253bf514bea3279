import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { accountFor } from '../support/accounting.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { smallDisk, testOnSmallDisk } from '../support/small-disk.ts';
import { makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

testOnSmallDisk(
  import.meta.filename,
  'with the disk under the ledger full, the front goes on receiving; with space again all is delivered by itself',
  { timeout: 120_000 },
  async () => {
    const disk = await smallDisk(24);
    onTestFinished(() => disk.remove());
    await using farm = await startFarm({ settle: '300 ms', home: disk.path });
    await using dir = await tempDir();
    const acknowledged: SyntheticInstance[] = [];
    const send = async (name: string, studies: number): Promise<void> => {
      const instances = Array.from({ length: studies }, (_, index) =>
        makeStudy({ seed: `${name} ${index}`, instances: 10 }),
      ).flatMap((study) => study.instances);
      const files = await writeInstances(instances, join(dir.path, name));
      await sendAllDicom(files, { port: farm.front.dicomPort, associations: 2 });
      acknowledged.push(...instances);
    };
    await send('before', 3);
    await frontsEmpty(farm);
    const { pid } = farm.service;

    // Twice: what the first time left behind must not be what the second one stumbles over.
    for (const round of ['first', 'second']) {
      await send(`${round}, just before`, 3);
      disk.fill();
      const one = acknowledged.at(-1);
      await until(async () => one !== undefined && (await announce(farm, one)) === 503, {
        what: 'the rest of the log to be used up, and an announcement to be refused',
      });
      await send(`${round}, full`, 6);
      expect(await countInstances(farm.front)).toBeGreaterThanOrEqual(60);
      expect(farm.service.running).toBe(true);
      const livez = await farm.service.request('/livez');
      expect(livez.ok).toBe(true);

      disk.free();
      await frontsEmpty(farm);
      const { wrong } = await accountFor(farm, acknowledged);
      expect(wrong, round).toEqual([]);
    }
    expect(farm.service.pid, 'started again').toBe(pid);
    expect(farm.service.running).toBe(true);
    const { items } = await farm.service.get<{ items: { state: string }[] }>('/api/v1/studies?limit=100');
    expect(items.map(({ state }) => state).filter((state) => state !== 'removed')).toEqual([]);
    expect(await farm.service.kill('SIGTERM')).toBe(0);
  },
);

/** As the front's hook does it. Returns the status of the answer. */
async function announce(farm: Farm, instance: SyntheticInstance): Promise<number> {
  const { orthancId, studyUid, seriesUid, sopUid } = instance;
  const answer = await fetch(`${farm.service.url}/hook/stored`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer hook-token-of-this-test-farm' },
    body: JSON.stringify({
      front: 'front',
      instance: orthancId,
      study: studyUid,
      series: seriesUid,
      sop: sopUid,
    }),
    signal: AbortSignal.timeout(10_000),
  });
  return answer.status;
}
