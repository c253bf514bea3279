import { expect, test } from 'vitest';
import { modeNamed, studiesOf } from '../../bench/single/modes.ts';
import { tableOf } from '../../bench/single/report.ts';
import { type Passage, stagesOf } from '../../bench/single/stages.ts';
import { watchOf } from '../../bench/single/watch.ts';
import type { Trace } from '../../src/ledger/trace.ts';
import { startOrthanc } from '../support/orthanc-process.ts';
import { makeInstance } from '../support/synthetic.ts';

test('the images are of one study or of as many studies, 0.5 MB each, the same again for the same seed', () => {
  const apart = studiesOf(modeNamed('new-studies'), 3, 'a');
  expect(new Set(apart.map(({ studyUid }) => studyUid)).size).toBe(3);
  expect(apart.map(({ instances }) => instances.length)).toEqual([1, 1, 1]);
  const [together] = studiesOf(modeNamed('one-study'), 3, 'a');
  expect(together?.instances).toHaveLength(3);
  expect(together?.instances[0]?.file.length).toBeGreaterThan(512 * 512 * 2);
  const again = studiesOf('one-study', 3, 'a').flatMap(({ instances }) => instances);
  expect(again.map(({ md5 }) => md5)).toEqual(together?.instances.map(({ md5 }) => md5));
  expect(() => modeNamed('all')).toThrow('there is no mode "all": new-studies, one-study');
});

test('a watch sees an image when one of the backends has it', async () => {
  await using one = await startOrthanc({ name: 'one' });
  await using other = await startOrthanc({ name: 'other' });
  using watch = watchOf([one, other], 2);
  const { orthancId, file } = makeInstance({ seed: 'watch' });
  const seen = watch.seenAt(orthancId);
  const before = performance.timeOrigin + performance.now();
  const stored = await other.fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
  expect(stored.status).toBe(200);
  expect(await seen).toBeGreaterThan(before);

  await one.kill();
  await expect(watch.seenAt(orthancId)).rejects.toThrow();
});

const passage = (acknowledgedAt: number, studyUid = '1.2'): Passage => ({
  studyUid,
  acknowledgedAt,
  seenAt: acknowledgedAt + 20,
  provenAt: acknowledgedAt + 24,
});
const transfer = (startedAt: number, endedAt: number, instances = 1): Trace['transfers'][number] => ({
  backend: 'orthanc1',
  startedAt,
  endedAt,
  instances,
  bytes: 1,
  ok: true,
});
const trace = (arrivals: readonly number[], transfers: Trace['transfers']): Trace => ({
  studies: [
    {
      studyUid: '1.2',
      modality: 'CT',
      station: null,
      arrivals,
      late: 0,
      bytes: 1,
      backend: 'orthanc1',
      policy: null,
      assignedAt: 1005,
      availableAt: null,
      rebound: false,
    },
  ],
  transfers,
  minutes: [],
});

test('the time of an image is divided by what the ledger has kept; only the first of a study waits for a place', () => {
  const kept = trace([1002, 1503], [transfer(1006, 1024), transfer(1505, 1524)]);
  const of = (warmUp: number): number[] =>
    stagesOf([passage(1000), passage(1500)], kept, warmUp).map(({ p99 }) => p99);
  expect(of(1)).toEqual([3.5, 0, 2, 14.5, 4.5]);
  // The larger of each of the two.
  expect(of(0)).toEqual([3.5, 3, 2, 14.5, 4.5]);
});

test('without the image, or with two in one transfer, there is no division', () => {
  const once = trace([1002], [transfer(1006, 1024)]);
  expect(() => stagesOf([passage(1000), passage(1500)], once, 0)).toThrow('does not know all images of 1.2');
  expect(() => stagesOf([passage(1000, '1.3')], once, 0)).toThrow('does not know all images of 1.3');
  const together = trace([1002], [transfer(1006, 1024, 2)]);
  expect(() => stagesOf([passage(1000)], together, 0)).toThrow('did not go by itself');
});

test('the table says of each contender how long, and of this project where the time goes and what was promised', () => {
  const wait = { p50: 10, p99: 21, max: 30 };
  const lines = tableOf({
    mode: 'new-studies',
    contenders: [
      { contender: 'lua-jobs', storeMs: wait, thereMs: wait, provenMs: null, stages: null },
      {
        contender: 'dde',
        storeMs: wait,
        thereMs: wait,
        provenMs: { p50: 20.04, p99: 61, max: 70 },
        stages: [{ stage: 'placed', p50: 1, p99: 2 }],
      },
    ],
  }).split('\n');
  expect(lines[0]).toBe('each image a new study');
  expect(lines[2]).toMatch(/^\(d\) Lua.*10\.0 ms +10\.0 ms +21\.0 ms +30\.0 ms$/);
  expect(lines[4]).toMatch(/until its receipt +20\.0 ms +61\.0 ms +70\.0 ms$/);
  expect(lines.slice(-3)).toEqual([
    expect.stringMatching(/^ {2}placed +1\.0 ms +2\.0 ms$/),
    '  MISSED p50 20.0 ms (at most 20 ms)',
    '  MISSED p99 61.0 ms (at most 60 ms)',
  ]);
});
