import { expect, test } from 'vitest';
import { imageNamed, imagesOf, imagesPerSecond, speedNamed, titleOf } from '../../bench/modality/cells.ts';
import type { Job } from '../../bench/modality/job.ts';
import { startModalities } from '../../bench/modality/modalities.ts';
import { type CellResult, isPromiseKept, ratioOf, tableOf } from '../../bench/modality/report.ts';
import type { Run } from '../../bench/modality/run.ts';
import { hasSamePixels } from '../support/accounting.ts';
import { startOrthanc } from '../support/orthanc-process.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';

test('modalities send at their pace or at full speed, one job after the other, and say how long each image took', async () => {
  await using orthanc = await startOrthanc({ name: 'receiver' });
  await using dir = await tempDir('modalities');
  await using modalities = startModalities(2);
  const studies = ['a', 'b', 'c'].map((seed) => makeStudy({ seed, instances: 4, bytes: 40_000 }));
  const jobs = await Promise.all(
    studies.map(
      async ({ instances }, index): Promise<Job> => ({
        port: orthanc.dicomPort,
        files: await writeInstances(instances, `${dir.path}/${index}`),
        callingAet: 'CT1',
        noDelay: index !== 1,
        paceMs: index === 2 ? null : 60,
        offsetMs: 0,
      }),
    ),
  );
  const paced = await modalities.send(jobs.slice(0, 2));
  const [fast] = await modalities.send(jobs.slice(2));
  for (const { storeMs, seconds } of paced) {
    expect(storeMs).toHaveLength(4);
    expect(seconds).toBeGreaterThanOrEqual(0.18);
  }
  expect(fast?.storeMs).toHaveLength(4);
  expect(Math.min(...(fast?.storeMs ?? []), fast?.associateMs ?? 0, fast?.releaseMs ?? 0)).toBeGreaterThan(0);
  for (const instance of studies.flatMap(({ instances }) => instances))
    expect(await hasSamePixels(orthanc, instance)).toBe(true);

  await expect(modalities.send(jobs)).rejects.toThrow('3 jobs for 2 modalities');
  await orthanc.kill();
  await expect(modalities.send(jobs.slice(0, 1))).rejects.toThrow(/a modality ended with 1: .*ECONNREFUSED/s);
});

const run = (p50: number): Run => ({ p50, p99: 2 * p50, associateMs: 1, releaseMs: 1, imagesPerSecond: 20 });
const cell: CellResult = {
  image: 'ct',
  associations: 2,
  speed: 'pace',
  noDelay: true,
  runs: { plain: [run(10), run(100), run(10)], front: [run(11), run(105), run(30)] },
};

test('the front is compared with the plain Orthanc run by run, so that a busy moment of the machine is in both', () => {
  expect(ratioOf(cell, 'p50')).toBeCloseTo(1.1);
  expect(isPromiseKept(cell)).toBe(true);
  expect(isPromiseKept({ ...cell, runs: { ...cell.runs, front: [run(12), run(120), run(12)] } })).toBe(false);
  expect(isPromiseKept({ ...cell, speed: 'full' })).toBeNull();
});

test('the table shows both, their ratio and what was promised', () => {
  const lines = tableOf(cell).split('\n');
  expect(lines[0]).toBe('CT, 0.5 MB; 2 associations; 20 images/s each');
  expect(lines[2]).toMatch(/^plain Orthanc +10\.00 ms +20\.00 ms/);
  expect(lines[3]).toMatch(/^this front, farm at work +30\.00 ms/);
  expect(lines[4]).toMatch(/^ratio +1\.10 +1\.10 +1\.00 +1\.00 +1\.00$/);
  expect(lines[5]).toContain('met    C-STORE p50');
  expect(tableOf({ ...cell, speed: 'full' })).not.toContain('met');
});

test('what is sent and how is named as in the help', () => {
  expect(titleOf({ ...cell, image: imageNamed('mr'), associations: 8, noDelay: false })).toBe(
    'MR, 130 KB; 8 associations; 5 images/s each; Nagle on',
  );
  expect(titleOf({ ...cell, associations: 1, speed: speedNamed('full') })).toBe(
    'CT, 0.5 MB; 1 association; full speed',
  );
  expect([1, 2, 8].map(imagesPerSecond)).toEqual([20, 20, 5]);
  expect([1, 2, 8].map((associations) => imagesOf({ ...cell, associations }, 100))).toEqual([100, 100, 34]);
  expect(() => imageNamed('us')).toThrow('there is no image "us": ct, mr');
  expect(() => speedNamed('slow')).toThrow('there is no speed "slow": pace, full');
});
