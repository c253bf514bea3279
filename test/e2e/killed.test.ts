import { describe, expect, test } from 'vitest';
import { sendAllDicom, sendDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, type SyntheticStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';

const proven = async (farm: Farm): Promise<number> =>
  (await farm.service.get<{ proven: number }>('/api/v1/totals')).proven;

/** Sends studies side by side; resolves with the instances that were acknowledged. */
async function sendStudies(farm: Farm, studies: readonly SyntheticStudy[], folder: string) {
  const acknowledged = await Promise.all(
    studies.map(async (study) => {
      const files = await writeInstances(study.instances, `${folder}/${study.studyUid}`);
      const answers = await sendDicom(files, { port: farm.front.dicomPort });
      return study.instances.filter((_, index) => answers[index]?.acknowledged === true);
    }),
  );
  return acknowledged.flat();
}

const studies = (name: string, count: number, instances: number): SyntheticStudy[] =>
  Array.from({ length: count }, (_, index) => makeStudy({ seed: `${name}-${index}`, instances }));

describe('nothing acknowledged is lost', () => {
  test('when the service is not there while images arrive, and comes later', async () => {
    await using farm = await startFarm({ startService: false });
    const sent = studies('away', 4, 25);
    await using dir = await tempDir();
    const acknowledged = await sendStudies(farm, sent, dir.path);
    expect(acknowledged).toHaveLength(100);
    expect(await countInstances(farm.front)).toBe(100);
    await farm.service.start();
    await frontsEmpty(farm);
    await expectDelivered(farm, acknowledged);
  });

  test('when the service is killed again and again while images arrive', async () => {
    await using farm = await startFarm({ settle: '300 ms' });
    await using dir = await tempDir();
    const sending = sendStudies(farm, studies('service', 6, 40), dir.path);
    for (const share of [10, 40, 90, 150]) {
      await until(async () => (await proven(farm)) >= share, {
        what: `${share} to be proven`,
        timeoutMs: 30_000,
      });
      await farm.service.kill('SIGKILL');
      await farm.service.start();
    }
    const acknowledged = await sending;
    expect(acknowledged).toHaveLength(240);
    await frontsEmpty(farm);
    await expectDelivered(farm, acknowledged);
  });

  test('when the front is killed while images arrive', async () => {
    await using farm = await startFarm();
    await using dir = await tempDir();
    const sent = studies('front', 4, 60);
    const sending = sendStudies(farm, sent, dir.path);
    await until(async () => (await proven(farm)) >= 20, { what: '20 to be proven', timeoutMs: 30_000 });
    await farm.front.kill('SIGKILL');
    const acknowledged = await sending;
    expect(acknowledged.length).toBeGreaterThanOrEqual(20);
    await farm.front.restart();
    await frontsEmpty(farm);
    await expectDelivered(farm, acknowledged);
  });

  test('when a backend dies in the middle: its studies wait for it, visibly, and the others go on', async () => {
    await using farm = await startFarm({ routing: { rebindAfter: 'none', healAfter: 'none' } });
    await using dir = await tempDir();
    const sent = studies('backend', 6, 30);
    const sending = sendStudies(farm, sent, dir.path);
    await until(async () => (await proven(farm)) >= 20, { what: '20 to be proven', timeoutMs: 30_000 });
    await farm.backend('orthanc1').kill('SIGKILL');
    const acknowledged = await sending;
    expect(acknowledged).toHaveLength(180);

    const waiting = await until(
      async () => {
        const { items } = await farm.service.get<{
          items: { backend: string; state: string; waiting: string | null }[];
        }>('/api/v1/studies?backend=orthanc1');
        const unfinished = items.filter((study) => study.state !== 'removed' && study.state !== 'verified');
        return unfinished.length > 0 && unfinished.every((study) => study.waiting !== null)
          ? unfinished
          : false;
      },
      { what: 'studies to wait for orthanc1 with a reason' },
    );
    expect(waiting[0]?.waiting).toMatch(/orthanc1/);
    await until(
      async () => (await farm.service.get<{ health: string }>('/api/v1/backends/orthanc1')).health === 'down',
      { what: 'orthanc1 to count as down' },
    );
    const late = makeStudy({ seed: 'while-down', instances: 5 });
    await sendAllDicom(await writeInstances(late.instances, `${dir.path}/late`), {
      port: farm.front.dicomPort,
    });
    await until(
      async () =>
        (await farm.service.get<{ state: string }>(`/api/v1/studies/${late.studyUid}`)).state === 'removed',
      { what: 'a new study to pass by the dead backend' },
    );

    await farm.backend('orthanc1').restart();
    await frontsEmpty(farm);
    const studyOn = await expectDelivered(farm, [...acknowledged, ...late.instances]);
    expect(studyOn.get(late.studyUid)).toBe('orthanc2');
  });

  test('when every process is stopped in order and started again', async () => {
    await using farm = await startFarm({ settle: '60 s' });
    await using dir = await tempDir();
    const acknowledged = await sendStudies(farm, studies('order', 2, 20), dir.path);
    expect(await farm.service.kill('SIGTERM')).toBe(0);
    await farm.front.restart();
    await farm.backend('orthanc1').restart();
    await farm.service.start();
    await until(
      async () => (await farm.service.get<{ instances: number }>('/api/v1/queue')).instances === 0,
      {
        what: 'everything to be proven',
      },
    );
    await expectDelivered(farm, acknowledged);
  });
});
