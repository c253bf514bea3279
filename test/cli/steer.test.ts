import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { changedBackendAnswer, echoAnswer, routingAnswer } from '../../src/admin/steer-schemas.ts';
import { type Farm, startFarm } from '../support/farm.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { until } from '../support/wait.ts';
import { isNarrow, type Ran, runDde, typeDde } from './dde.ts';

let farm: Farm;
let third: OrthancProcess;

beforeAll(async () => {
  farm = await startFarm({ history: { sample: '300 ms' } });
  third = await startOrthanc({ name: 'orthanc3', password: 'third' });
  writeFileSync(join(farm.home, 'password'), 'third\n');
}, 60_000);
afterAll(async () => {
  await farm?.stop();
  await third?.stop();
});

const dde = (...args: string[]): Promise<Ran> => runDde(farm, args);
const topology = (): string => readFileSync(farm.topology.file, 'utf8');

test('a backend is added, reached, changed and removed', async () => {
  const added = await dde('backends', 'add', 'orthanc3', '--url', third.url, '--password-file', 'password');
  expect(added).toMatchObject({
    code: 0,
    out: expect.stringContaining('Fronts that have it as a peer: 1 of 1.'),
  });
  expect(isNarrow(added)).toBe(true);
  await until(async () => (await dde('backends')).out.includes('orthanc3'), { what: 'it to be listed' });

  const echo = await dde('backends', 'echo', 'orthanc3');
  expect(echo, echo.out).toMatchObject({ code: 0 });
  expect(isNarrow(echo)).toBe(true);
  const answer = echoAnswer.parse(JSON.parse((await dde('backends', 'echo', 'orthanc1', '--json')).out));
  expect(answer).toMatchObject({ ok: true, dicom: { ok: true } });

  const set = await dde('backends', 'set', 'orthanc3', '--lanes', '4', '--disk', '2 TB', '--json');
  expect(changedBackendAnswer.parse(JSON.parse(set.out)).lanes).toBe(4);
  expect(topology()).toMatch(/disk: "?2 TB"?/);
  expect(await dde('backends', 'set', 'orthanc3', '--lanes', 'default')).toMatchObject({ code: 0 });

  // What moves asks first; here there is nobody.
  expect(await dde('backends', 'set', 'orthanc3', '--url', third.url)).toMatchObject({
    code: 2,
    err: expect.stringContaining('--yes'),
  });
  expect(await dde('backends', 'remove', 'orthanc3')).toMatchObject({ code: 2 });
  expect(await typeDde(farm, ['backends', 'remove', 'orthanc3'], 'no\n')).toMatchObject({ code: 1 });
  expect(topology()).toContain('orthanc3');
  expect(await typeDde(farm, ['backends', 'remove', 'orthanc3'], 'yes\n')).toMatchObject({ code: 0 });
  expect(topology()).not.toContain('orthanc3');
}, 30_000);

test('mistakes are said all at once, and change nothing', async () => {
  const before = topology();
  const wrong = await dde('backends', 'add', 'orthanc1', '--url', third.url, '--password-env', 'X');
  expect(wrong.err).toContain('has a backend orthanc1 already');
  const many = await dde('backends', 'add', 'Nine', '--url', 'ftp://x', '--lanes', '100');
  expect(many.code).toBe(2);
  expect(many.err).toContain('body.name');
  expect(many.err).toContain('body.lanes');
  const unset = await dde('backends', 'add', 'orthanc3', '--url', third.url);
  expect(unset.err).toContain('DDE_ORTHANC3_PASSWORD is not set');
  expect((await dde('backends', 'remove', 'orthanc7', '--yes')).err).toContain(
    'orthanc1, orthanc2; not orthanc7',
  );
  expect(topology()).toBe(before);
});

test('the policy is shown and changed', async () => {
  const shown = await dde('policy');
  expect(shown.out).toContain(
    'Studies are placed by expected-completion, in the order fifo; on trial: none.',
  );
  expect(isNarrow(shown)).toBe(true);
  const set = await dde('policy', 'set', 'least-in-flight', '--shadow', 'expected-completion', '--json');
  expect(routingAnswer.parse(JSON.parse(set.out))).toMatchObject({
    policy: 'least-in-flight',
    shadow: 'expected-completion',
  });
  expect(topology()).toContain('policy: least-in-flight');
  expect(await dde('policy', 'set', 'least-in-fligth')).toMatchObject({
    code: 2,
    err: expect.stringContaining('did you mean least-in-flight?'),
  });
  expect((await dde('policy', 'set', '--shadow', 'none')).out).toContain('on trial: none');
});
