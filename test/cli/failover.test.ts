import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { auditAnswer, evacuationAnswer, quarantineAnswer } from '../../src/admin/failover-schemas.ts';
import { pageOf, studyAnswer } from '../../src/admin/schemas.ts';
import { countInstances, type Farm, frontsEmpty, holdings, startFarm } from '../support/farm.ts';
import {
  makeStudy,
  type SyntheticInstance,
  type SyntheticStudy,
  withOtherContent,
} from '../support/synthetic.ts';
import { uploadInstance } from '../support/upload.ts';
import { until } from '../support/wait.ts';
import { isNarrow, type Ran, runDde, typeDde } from './dde.ts';

let farm: Farm;

beforeAll(async () => {
  farm = await startFarm({ settle: '300 ms', history: { sample: '300 ms' } });
}, 60_000);
afterAll(async () => farm?.stop());

const dde = (...args: string[]): Promise<Ran> => runDde(farm, args);

async function asJson<T>(schema: z.ZodType<T>, ...args: string[]): Promise<T> {
  const ran = await dde(...args, '--json');
  expect(ran, ran.err).toMatchObject({ code: 0 });
  return schema.parse(JSON.parse(ran.out));
}

/** A study of so many instances, delivered and gone from the front. */
async function delivered(seed: string, instances: number): Promise<SyntheticStudy> {
  const study = makeStudy({ seed, instances });
  for (const instance of study.instances) await uploadInstance(farm.service, instance);
  await frontsEmpty(farm);
  return study;
}

/** Other content of its first instance, in quarantine. */
async function inConflict(study: SyntheticStudy): Promise<SyntheticInstance> {
  const [first] = study.instances;
  if (first === undefined) throw new Error('a study has an instance');
  const other = withOtherContent(first);
  await uploadInstance(farm.service, other);
  await until(async () => (await asJson(pageOf(quarantineAnswer), 'quarantine')).items.length === 1, {
    what: 'the instance to be in quarantine',
    timeoutMs: 30_000,
    intervalMs: 200,
  });
  return other;
}

const where = (study: SyntheticStudy) => asJson(studyAnswer, 'where', study.studyUid);
const other = (backend: string | null): string => (backend === 'orthanc1' ? 'orthanc2' : 'orthanc1');
const lastDeed = async () => (await asJson(pageOf(auditAnswer), 'audit')).items[0];

test('rebind: the study moves whole, what it left is shown until it is gone, and mistakes are said', async () => {
  const study = await delivered('cli-rebind', 3);
  const { backend } = await where(study);
  const target = other(backend);
  const ran = await dde('rebind', study.studyUid, target);
  expect(ran, ran.err).toMatchObject({ code: 0 });
  expect(ran.out).toContain(`is bound to ${target} now (epoch 2)`);
  expect(await lastDeed()).toMatchObject({ who: 'admin', action: 'rebind', target: study.studyUid });

  const healing = await dde('heal', study.studyUid);
  expect(healing, healing.err).toMatchObject({ code: 0 });
  expect(isNarrow(healing), healing.out).toBe(true);
  await until(async () => (await dde('heal')).out.includes('Every study is on one backend'), {
    what: 'the study to be healed',
    timeoutMs: 40_000,
    intervalMs: 300,
  });
  expect(await where(study)).toMatchObject({ state: 'removed', backend: target, formerCopies: [] });
  const there = await holdings(farm.backend(target));
  const left = await holdings(farm.backend(backend ?? ''));
  expect(study.instances.filter(({ orthancId }) => !there.has(orthancId) || left.has(orthancId))).toEqual([]);
  const explained = await dde('explain', study.studyUid);
  expect(explained.out).toContain(`rebound on ${target}`);

  for (const [code, sentence, args] of [
    [1, 'bound to', ['rebind', study.studyUid, target]],
    [2, 'not known', ['rebind', '1.2.3.4', target]],
    [2, 'no backend', ['rebind', study.studyUid, 'orthanc9']],
    [2, '--copy', ['rebind', study.studyUid, '--copy', 'first']],
    [1, 'former copy', ['heal', study.studyUid, '--accept-current', 'orthanc1']],
    [2, 'needs the study', ['heal', '--accept-current', 'orthanc1']],
    [1, 'has received', ['heal', '1.2.3.4']],
  ] as const) {
    const wrong = await dde(...args);
    expect(wrong.code, args.join(' ')).toBe(code);
    expect(wrong.err.trim().split('\n'), wrong.err).toHaveLength(1);
    expect(wrong.err).toContain(sentence);
  }
}, 90_000);

test('quarantine: listed, downloaded, tried again, released over what the backend had', async () => {
  const study = await delivered('cli-release', 2);
  const { backend } = await where(study);
  const changed = await inConflict(study);
  const id = changed.orthancId;

  const list = await dde('quarantine');
  expect(isNarrow(list), list.out).toBe(true);
  expect(list.out).toContain(id);
  expect(list.out).toMatch(/conflict: Compare both/);

  const saved = await dde('quarantine', 'download', id.slice(0, 8), 'other.dcm');
  expect(saved, saved.err).toMatchObject({ code: 0 });
  expect(await readFile(join(farm.home, 'other.dcm'))).toEqual(Buffer.from(changed.file));
  expect(await lastDeed()).toMatchObject({ action: 'quarantine-download', target: id });
  await writeFile(join(farm.home, 'mine.dcm'), 'mine');
  expect(await dde('quarantine', 'download', id, 'mine.dcm')).toMatchObject({ code: 2 });
  expect(await readFile(join(farm.home, 'mine.dcm'), 'utf8')).toBe('mine');

  const refused = await dde('quarantine', 'release', id, backend ?? '');
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.err).toContain('holds other content');

  expect(await dde('quarantine', 'retry', study.studyUid)).toMatchObject({ code: 0 });
  expect(await lastDeed()).toMatchObject({ action: 'quarantine-retry', target: study.studyUid });
  await until(async () => (await dde('quarantine')).out.includes(id), {
    what: 'it to be in quarantine again',
    timeoutMs: 30_000,
    intervalMs: 200,
  });

  const released = await dde('quarantine', 'release', id.slice(0, 8), backend ?? '', '--replace');
  expect(released, released.err).toMatchObject({ code: 0 });
  const there = await farm.backend(backend ?? '').fetch(`/instances/${id}/file`);
  expect(Buffer.from(await there.arrayBuffer())).toEqual(Buffer.from(changed.file));
  expect(await countInstances(farm.front)).toBe(0);
  expect((await dde('quarantine')).out).toContain('Nothing is in quarantine');
}, 90_000);

test('quarantine: discarded only after a yes, and recorded', async () => {
  const study = await delivered('cli-discard', 1);
  const changed = await inConflict(study);
  const id = changed.orthancId;
  const asked = await dde('quarantine', 'discard', id);
  expect(asked).toMatchObject({ code: 2 });
  expect(asked.err).toContain('Lost for good: 1 image');
  expect(asked.err).toContain('--yes');
  expect(await countInstances(farm.front)).toBe(1);

  // Neither a "no", nor anything that is not "yes", nor the end of the input is a yes.
  for (const answer of ['no\n', 'y\n', '\n', '']) {
    const kept = await typeDde(farm, ['quarantine', 'discard', id], answer);
    expect(kept.code, answer).toBe(1);
    expect(kept.err).toContain('Nothing was discarded');
  }
  expect(await countInstances(farm.front)).toBe(1);
  const given = await typeDde(farm, ['quarantine', 'discard', id], 'yes\n');
  expect(given, given.err).toMatchObject({ code: 0 });
  expect(await countInstances(farm.front)).toBe(0);
  expect((await where(study)).instances).toMatchObject({ discarded: 1, quarantined: 0 });
  expect(await lastDeed()).toMatchObject({ action: 'quarantine-discard', target: id });
  expect((await dde('explain', study.studyUid)).out).toContain('given up by admin');

  for (const [code, sentence, args] of [
    [1, 'in quarantine', ['discard', id, '--yes']],
    [1, 'in quarantine', ['download', id]],
    [1, 'in quarantine', ['release', id, 'orthanc1']],
    [2, 'in quarantine', ['retry', study.studyUid]],
    [2, 'names no instance', ['discard', 'image.dcm', '--yes']],
    [2, 'too short', ['discard', id.slice(0, 3), '--yes']],
  ] as const) {
    const wrong = await dde('quarantine', ...args);
    expect(wrong.code, args.join(' ')).toBe(code);
    expect(wrong.err.trim().split('\n'), wrong.err).toHaveLength(1);
    expect(wrong.err).toContain(sentence);
  }
}, 60_000);

test('evacuate: the backend is empty at the end, everything is on the other, and it says so', async () => {
  const before = [...farm.backends.values()].map((backend) => holdings(backend));
  const images = (await Promise.all(before)).reduce((sum, held) => sum + held.size, 0);
  const name = 'orthanc1';
  const detached = await asJson(
    evacuationAnswer,
    'evacuate',
    name,
    '--to',
    other(name),
    '--rate',
    '20 kB/s',
    '--detach',
  );
  expect(detached).toMatchObject({ state: 'running', target: other(name), bytesPerSecond: 20_000 });
  expect((await dde('status')).out).toMatch(/being evacuated|drain/);
  // Watches the one under way, with the settings it has.
  const ran = await dde('evacuate', name);
  expect(ran, ran.err).toMatchObject({ code: 0 });
  expect(ran.out).toContain(`${name} is empty`);
  expect(await countInstances(farm.backend(name))).toBe(0);
  expect(await countInstances(farm.backend(other(name)))).toBe(images);
  expect(await dde('backends', 'ready', name)).toMatchObject({ code: 0 });

  for (const [code, sentence, args] of [
    [2, 'never was', [other(name), '--cancel']],
    [2, 'not orthanc9', ['orthanc9', '--cancel']],
    [2, 'no backend orthanc9', ['orthanc9']],
    [2, '--rate', [name, '--rate', 'fast']],
    [2, 'stands alone', [name, '--cancel', '--detach']],
  ] as const) {
    const wrong = await dde('evacuate', ...args);
    expect(wrong.code, args.join(' ')).toBe(code);
    expect(wrong.err.trim().split('\n'), wrong.err).toHaveLength(1);
    expect(wrong.err).toContain(sentence);
  }
}, 90_000);

test('audit: everything that was done here, in 80 columns', async () => {
  const ran = await dde('audit', '--limit', '1000');
  expect(ran, ran.err).toMatchObject({ code: 0 });
  expect(isNarrow(ran), ran.out).toBe(true);
  const { items } = await asJson(pageOf(auditAnswer), 'audit', '--limit', '1000');
  expect(items.every(({ who }) => who === 'admin')).toBe(true);
});
