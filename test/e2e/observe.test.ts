import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type FarmAnswer,
  farmAnswer,
  type JournalAnswer,
  seriesAnswer,
  timelineAnswer,
} from '../../src/admin/observe-schemas.ts';
import { studiesAnswer } from '../../src/admin/schemas.ts';
import { listen } from '../admin/sse.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

let farm: Farm;
beforeAll(async () => {
  farm = await startFarm({
    settle: '300 ms',
    service: { accessionSearch: true },
    history: { sample: '500 ms' },
  });
});
afterAll(async () => {
  await farm?.stop();
});

test('who looks on sees a study come, go to a backend, and everything about it afterwards', async () => {
  const { service } = farm;
  const watching = await listen({ url: service.url, headers: { authorization: `Bearer ${service.token}` } });
  await watching.got('farm', 1);

  const sent = makeStudy({ seed: 'observed', instances: 40, station: 'CT7', accession: 'ACC-7' });
  await using dir = await tempDir();
  await sendAllDicom(await writeInstances(sent.instances, dir.path), {
    port: farm.front.dicomPort,
    callingAet: 'SCANNER7',
  });
  const started = Date.now();
  await frontsEmpty(farm);

  const farms = await until(
    async () => {
      const seen = await watching.got<FarmAnswer>('farm', 1);
      return seen.some(({ rates }) => rates.outInstances > 0) && seen;
    },
    { what: 'what flows out to be seen' },
  );
  const flowing = farms.map((one) => farmAnswer.parse(one)).findLast(({ rates }) => rates.outInstances > 0);
  expect(flowing?.modalities[0]).toMatchObject({ aet: 'SCANNER7', station: 'CT7', modality: 'CT' });
  const edge = flowing?.fronts[0]?.edges.find(({ instancesPerSecond }) => instancesPerSecond > 0);
  const { backend } = await service.get<{ backend: string }>(`/api/v1/studies/${sent.studyUid}`);
  expect(edge?.backend).toBe(backend);
  expect(flowing?.backends.find(({ name }) => name === backend)?.learnt.measured).toBe(true);

  await service.request(`/api/v1/backends/${backend}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ state: 'drain' }),
  });
  const [entry] = await watching.got<JournalAnswer>('journal', 1);
  expect(entry).toMatchObject({ kind: 'backend-set', backend, who: 'admin' });

  const timeline = timelineAnswer.parse(await service.get(`/api/v1/studies/${sent.studyUid}/timeline`));
  expect(timeline.items[0]).toMatchObject({ kind: 'received', instances: 40, front: 'front' });
  expect(timeline.items.slice(-2)).toMatchObject([
    { kind: 'proven', title: `Everything proven on ${backend}` },
    { kind: 'removed', instances: 40 },
  ]);

  const found = studiesAnswer.parse(await service.get('/api/v1/studies?accession=ACC-7'));
  expect(found.items.map(({ studyInstanceUID }) => studyInstanceUID)).toEqual([sent.studyUid]);
  expect(found.unanswered).toEqual([]);
  expect(studiesAnswer.parse(await service.get('/api/v1/studies?accession=ACC')).items).toEqual([]);
  expect(service.log()).not.toMatch('ACC-7');

  const from = new Date(started - 3_600_000).toISOString();
  const counted = await until(
    async () => {
      const series = seriesAnswer.parse(await service.get(`/api/v1/series?from=${from}&points=400`));
      const sum = (line: readonly (number | null)[]): number =>
        line.reduce<number>((all, one) => all + (one ?? 0), 0) * series.step;
      const own = series.orthancs[backend];
      return sum(own?.outInstances ?? []) > 39 && series;
    },
    { what: 'the transfers to be in the series' },
  );
  expect(counted.orthancs[backend]?.decisions.reduce((all, one) => (all ?? 0) + (one ?? 0), 0)).toBe(1);
  expect(Math.max(...counted.farm.inInstances.map((one) => one ?? 0))).toBeGreaterThan(0);
  expect(Object.keys(counted.orthancs)).toEqual(['front', 'orthanc1', 'orthanc2']);

  // A service that is told to stop does not wait for those who listen.
  const told = performance.now();
  await service.kill('SIGTERM');
  expect(performance.now() - told).toBeLessThan(10_000);
  await until(() => watching.ended, { what: 'the end of the stream' });
}, 40_000);
