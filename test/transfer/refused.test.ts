import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { pageOf, quarantineAnswer, studyAnswer } from '../../src/admin/schemas.ts';
import { silentLogger } from '../../src/log.ts';
import { startService } from '../../src/service.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, holdings, startFarm } from '../support/farm.ts';
import { makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

test('an instance that its backend refuses is singled out and kept for a person; all others arrive', async () => {
  const study = makeStudy({ seed: 'refused', instances: 60 });
  const refused = study.instances[17];
  if (refused === undefined) throw new Error('sixty instances were made');
  await using dir = await tempDir();
  const script = `${dir.path}/refuse.lua`;
  await writeFile(
    script,
    `function ReceivedInstanceFilter(dicom)
       if dicom['SOPInstanceUID'] == '${refused.sopUid}' then error('no room for this one', 0) end
       return true
     end`,
  );
  await using farm = await startFarm({
    backends: 1,
    settle: '200 ms',
    startService: false,
    orthancConfig: { orthanc1: { LuaScripts: [script] } },
  });
  const send = async (instances: readonly SyntheticInstance[], name: string): Promise<void> =>
    sendAllDicom(await writeInstances(instances, `${dir.path}/${name}`), { port: farm.front.dicomPort });
  await send(study.instances, 'study');

  // In this process, so that a try that failed may be tried again without a pause.
  const service = await startService({
    topology: farm.topology,
    home: farm.home,
    adminToken: farm.service.token,
    hookToken: 'hook-token-of-this-test-farm',
    version: 'test',
    log: silentLogger(),
    onDurabilityLost: (error) => {
      throw error;
    },
    random: () => 0,
  });
  try {
    const get = async <T>(path: string, schema: z.ZodType<T>): Promise<T> =>
      schema.parse(await farm.service.get(path));
    await until(async () => (await countInstances(farm.backend('orthanc1'))) === 59, {
      what: 'the others to arrive',
    });

    // Only refusals while the backend takes others count: so images go on arriving.
    let number = 0;
    const quarantined = await until(
      async () => {
        await send(makeStudy({ seed: `meanwhile-${number}` }).instances, `meanwhile-${number++}`);
        return (await get('/api/v1/quarantine', pageOf(quarantineAnswer))).items[0];
      },
      { what: 'the refused one to be quarantined', timeoutMs: 30_000 },
    );
    expect(quarantined).toMatchObject({ orthancId: refused.orthancId, code: 'refused', front: 'front' });
    expect(quarantined.detail).toMatch(/orthanc1/);
    expect(await get(`/api/v1/studies/${study.studyUid}`, studyAnswer)).toMatchObject({
      state: 'quarantined',
      backend: 'orthanc1',
      instances: { received: 60, verified: 59, quarantined: 1 },
    });
    await until(async () => (await countInstances(farm.backend('orthanc1'))) === 59 + number, {
      what: 'everything else to arrive',
    });
    expect((await holdings(farm.front)).has(refused.orthancId)).toBe(true);
    // It is not tried for ever: nothing waits any more.
    expect((await farm.service.get<{ instances: number }>('/api/v1/queue')).instances).toBe(0);
  } finally {
    await service.stop(0);
  }
});
