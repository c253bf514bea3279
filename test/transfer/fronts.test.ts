import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectDelivered } from '../e2e/expect.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import type { OrthancProcess } from '../support/orthanc-process.ts';
import { makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

let farm: Farm;
let first: OrthancProcess;
let second: OrthancProcess;

beforeAll(async () => {
  farm = await startFarm({
    fronts: 2,
    settle: '300 ms',
    routing: {
      requestTimeout: '1 s',
      lookupTimeout: '1 s',
      transferTimeout: { base: '1 s', rate: '1 MB/s' },
    },
    history: { sample: '300 ms' },
  });
  const [one, two] = farm.fronts;
  if (one === undefined || two === undefined) throw new Error('the farm has two fronts');
  [first, second] = [one, two];
});
afterAll(async () => {
  await farm?.stop();
});

async function send(instances: readonly SyntheticInstance[], front: OrthancProcess): Promise<void> {
  await using dir = await tempDir();
  await sendAllDicom(await writeInstances(instances, dir.path), { port: front.dicomPort, associations: 4 });
}

async function setAll(state: string): Promise<void> {
  for (const name of farm.backends.keys()) {
    const answer = await farm.service.request(`/api/v1/backends/${name}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ state }),
    });
    expect(answer.status).toBe(200);
  }
}

async function stateOf(studyUid: string): Promise<string> {
  return (await farm.service.get<{ state: string }>(`/api/v1/studies/${studyUid}`)).state;
}

test('one study over two fronts goes to one backend, whole, and both fronts are empty again', async () => {
  const study = makeStudy({ seed: 'two-fronts', instances: 40 });
  await Promise.all([
    send(study.instances.slice(0, 25), first),
    // Some over both: the same image sent twice is one image.
    send(study.instances.slice(15), second),
  ]);
  await frontsEmpty(farm);
  const studyOn = await expectDelivered(farm, study.instances);
  expect(studyOn.size).toBe(1);
  await until(async () => (await stateOf(study.studyUid)) === 'removed', { what: 'the study to be removed' });
  expect(await farm.service.get(`/api/v1/studies/${study.studyUid}`)).toMatchObject({
    fronts: expect.arrayContaining(['front1', 'front2']),
    instances: { received: 50, verified: 50, removed: 50 },
  });
});

test.each([
  ['is dead', 'SIGKILL'],
  ['hangs', 'SIGSTOP'],
] as const)('a front that %s holds up nothing of the other', async (what, signal) => {
  const left = Array.from({ length: 6 }, (_, index) =>
    makeStudy({ seed: `left-${what}-${index}`, instances: 40 }),
  );
  // Bound while all is well, so that their deliveries are what waits in front of the others'.
  for (const study of left) await send(study.instances.slice(0, 1), first);
  await frontsEmpty(farm);
  await setAll('maint');
  for (const study of left) await send(study.instances.slice(1), first);
  await until(
    async () => (await farm.service.get<{ instances: number }>('/api/v1/queue')).instances === 6 * 39,
    { what: 'everything to be announced' },
  );
  await first.kill(signal);
  await setAll('ready');

  const others = Array.from({ length: 4 }, (_, index) =>
    makeStudy({ seed: `others-${what}-${index}`, instances: 10 }),
  );
  const started = performance.now();
  for (const study of others) await send(study.instances, second);
  await until(
    async () => {
      for (const study of others) if ((await stateOf(study.studyUid)) !== 'removed') return false;
      return true;
    },
    { what: 'the studies of the other front to be through', timeoutMs: 20_000 },
  );
  expect(performance.now() - started).toBeLessThan(12_000);

  if (signal === 'SIGSTOP') await first.kill('SIGCONT');
  else await first.restart();
  await frontsEmpty(farm, 30_000);
  await expectDelivered(
    farm,
    [...left, ...others].flatMap((study) => study.instances),
  );
});
