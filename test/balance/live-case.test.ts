import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { liveCase, liveNames } from '../../bench/balance/live-case.ts';
import { modelOf } from '../../bench/balance/model.ts';
import { parsePolicy } from '../../bench/balance/policy.ts';
import { faultOf } from '../../bench/balance/proxies.ts';
import { makeFiles } from '../../bench/balance/replay.ts';
import { UserError } from '../../src/user-error.ts';
import { tempDir } from '../support/temp.ts';

test('the scenarios for real Orthancs are the simulator’s, by their short name or the whole', () => {
  expect(liveNames()).toEqual(['batch', 'differing', 'equal', 'stall', 'unrelated']);
  expect(liveCase('differing', 20, 1)).toEqual(liveCase('live-differing', 20, 1));
  expect(() => liveCase('diferring', 20, 1)).toThrow(UserError);
});

test('so many studies are measured as were asked for, few or many, and those of the warm-up come before', () => {
  for (const name of liveNames()) {
    for (const count of [5, 150, 700]) {
      const { studies, scenario } = liveCase(name, count, 1);
      expect(studies.filter(({ isWarmUp }) => !isWarmUp)).toHaveLength(count);
      for (const { arrival, isWarmUp } of studies) expect(isWarmUp).toBe(arrival.at < scenario.warmUp);
      expect(new Set(studies.map(({ arrival }) => arrival.studyUid)).size).toBe(studies.length);
    }
  }
});

test('fewer studies are the first of more, and another seed is another trace', () => {
  const uids = (count: number, seed: number) =>
    liveCase('equal', count, seed).studies.map(({ arrival }) => arrival);
  expect(uids(100, 3).slice(0, uids(20, 3).length)).toEqual(uids(20, 3));
  expect(uids(20, 4)).not.toEqual(uids(20, 3));
});

test('what proxies cannot do is refused before anything is started', async () => {
  await using dir = await tempDir();
  const write = (name: string, more: string): string => {
    const file = join(dir.path, `${name}.yaml`);
    writeFileSync(file, `about: ${name}\nduration: 1 min\nbackends: [{ name: b, count: 2 }]\n${more}`);
    return file;
  };
  const drained = 'arrivals: { perHour: 3600 }\nevents: [{ what: drain, at: 10 s, of: [b1] }]\n';
  expect(() => liveCase(write('drained', drained), 5, 1)).toThrow(
    'drained: what operators do is not replayed.',
  );
  const quiet = write('quiet', 'arrivals: { perHour: 0 }\n');
  expect(() => liveCase(quiet, 5, 1)).toThrow('quiet: it has fewer than 5 studies');
});

test('images of kinds that cannot be made are an error', () => {
  const live = liveCase('equal', 3, 1);
  const [first] = live.studies;
  if (first === undefined) throw new Error('there are studies');
  const studies = [{ ...first, arrival: { ...first.arrival, modality: 'XA' } }];
  expect(() => makeFiles({ ...live, studies })).toThrow('no images of XA can be made');
});

test('a backend of the model is a proxy of its line, its delay and its condition', () => {
  const [image] = liveCase('unrelated', 1, 1).backends;
  const [line] = liveCase('equal', 1, 1).backends;
  if (image === undefined || line === undefined) throw new Error('there are backends');
  const well = { speed: 1, answers: true };
  expect(faultOf(line, well)).toEqual({ kind: 'throttle', bytesPerSecond: expect.closeTo(9e6) });
  expect(faultOf(line, { ...well, speed: 0.5 })).toMatchObject({ bytesPerSecond: expect.closeTo(4.5e6) });
  expect(faultOf(image, well)).toMatchObject({ kind: 'throttle', delayMs: expect.closeTo(243) });
  expect(faultOf(image, { ...well, speed: 0 })).toMatchObject({ kind: 'stall' });
  expect(faultOf(image, { speed: 0, answers: false })).toEqual({ kind: 'refuse' });
});

test('the model takes every scenario as it is sent', () => {
  for (const name of liveNames()) {
    const figures = modelOf(liveCase(name, 100, 1), parsePolicy('least-in-flight'));
    expect(figures.p50).toBeLessThanOrEqual(figures.p99);
    expect(figures.p99).toBeLessThanOrEqual(figures.makespan);
  }
});
