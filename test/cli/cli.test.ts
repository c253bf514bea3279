import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Farm, startFarm } from '../support/farm.ts';
import { isNarrow, type Ran, root, runDde, spawnDde } from './dde.ts';

let farm: Farm;

beforeAll(async () => {
  farm = await startFarm();
}, 60_000);
afterAll(async () => farm?.stop());

const dde = (args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> => runDde(farm, args, more);

describe('a farm at rest', () => {
  test.each([
    ['status'],
    ['backends'],
    ['studies'],
    ['queue'],
    ['quarantine'],
    ['heal'],
    ['history'],
    ['shadow'],
    ['audit'],
    ['tokens'],
    ['check'],
  ])('%s answers in 80 columns, and as JSON', async (command) => {
    const plain = await dde([command]);
    expect(plain, plain.err + plain.out).toMatchObject({ code: 0 });
    expect(isNarrow(plain), plain.out).toBe(true);
    const json = await dde([command, '--json']);
    expect(json, json.err).toMatchObject({ code: 0 });
    expect(() => JSON.parse(json.out)).not.toThrow();
  });

  test('the exit code is the one of the process, and all of the answer arrives', async () => {
    const ran = await spawnDde(farm, ['status', '--json']);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(() => JSON.parse(ran.out)).not.toThrow();
    expect(await spawnDde(farm, ['where', '1.2.3.4'])).toMatchObject({ code: 1, out: '' });
  });

  test('an unknown study ends with 1, a wrong option with 2', async () => {
    expect((await dde(['where', '1.2.3.4'])).code).toBe(1);
    expect((await dde(['explain', '1.2.3.4'])).code).toBe(1);
    expect((await dde(['studies', '--state', 'lost'])).code).toBe(2);
  });

  test('a service that is away is said in one sentence', async () => {
    const away = await dde(['status', '--service', 'http://127.0.0.1:9']);
    expect(away.code).toBe(2);
    expect(away.err.trim().split('\n')).toHaveLength(1);
    expect(away.err).toContain('does not answer');
  });

  test('check names an Orthanc that refuses the password', async () => {
    const wrong = await dde(['check'], { DDE_FRONT_PASSWORD: 'another' });
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain('refuses');
  });

  test('the committed files are what the committed topology says', async () => {
    const checked = await dde(['generate', '--check'], {
      DDE_TOPOLOGY: join(root, 'orthanc-config', 'topology.yaml'),
    });
    expect(checked, checked.out).toMatchObject({ code: 0 });
  });

  test('a generated file that was edited by hand is named, and left as it is until told otherwise', async () => {
    const file = join(dirname(farm.topology.file), 'front.json');
    const generated = await readFile(file, 'utf8');
    await writeFile(file, generated.replace('"SaveJobs": false', '"SaveJobs": true'));
    const stale = await dde(['generate', '--check']);
    expect(stale.code).toBe(1);
    expect(stale.out).toContain('front.json');
    expect((await dde(['check'])).code).toBe(1);
    expect((await dde(['generate'])).code).toBe(0);
    expect(await readFile(file, 'utf8')).toBe(generated);
    expect((await dde(['generate', '--check'])).code).toBe(0);
  });

  test('a backend is drained and made ready again', async () => {
    expect(await dde(['backends', 'drain', 'orthanc1'])).toMatchObject({ code: 0 });
    expect((await dde(['backends', '--json'])).out).toContain('"drain"');
    expect(await dde(['backends', 'ready', 'orthanc1'])).toMatchObject({ code: 0 });
  });
});

test('garbage is named with its reason, and nothing crashes', async () => {
  const folder = join(farm.home, 'garbage');
  await mkdir(folder);
  await writeFile(join(folder, 'empty'), '');
  await writeFile(join(folder, 'text.txt'), 'not an image');
  await writeFile(join(folder, 'short.dcm'), Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]));
  await symlink(folder, join(folder, 'loop'));
  await symlink(join(folder, 'nowhere'), join(folder, 'dangling'));
  const ran = await dde(['send', folder, '--json']);
  expect(ran, ran.err).toMatchObject({ code: 1 });
  const { notTaken } = z
    .object({ notTaken: z.array(z.object({ path: z.string(), reason: z.string() })) })
    .parse(JSON.parse(ran.out));
  expect(notTaken.map(({ path }) => path.slice(folder.length + 1)).toSorted()).toEqual([
    'dangling',
    'empty',
    'short.dcm',
    'text.txt',
  ]);
  expect(notTaken.every(({ reason }) => reason !== '')).toBe(true);
});

const samples = process.env['DDE_SAMPLES'];

test.skipIf(samples === undefined)(
  'real files are sent and found (skipped without DDE_SAMPLES)',
  async () => {
    const ran = await dde(['send', samples ?? '', '--json', '--wait', '30']);
    const { studies } = z
      .object({
        studies: z.array(
          z.object({
            studyInstanceUID: z.string(),
            backend: z.string().nullable(),
            state: z.string().nullable(),
          }),
        ),
      })
      .parse(JSON.parse(ran.out));
    expect(studies.length).toBeGreaterThan(0);
    expect(studies.filter(({ state }) => state !== 'verified' && state !== 'removed')).toEqual([]);
    const first = studies[0]?.studyInstanceUID ?? '';
    expect(await dde(['where', first])).toMatchObject({ code: 0 });
    expect(isNarrow(await dde(['explain', first]))).toBe(true);
  },
  60_000,
);
