import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Farm, startFarm } from '../support/farm.ts';
import { makeInstance } from '../support/synthetic.ts';
import { followDde, isNarrow, type Ran, root, runDde, spawnDde } from './dde.ts';

const escape = String.fromCodePoint(27);
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
    // What is to be done to something that is not there cannot be done until another name is typed.
    for (const args of [
      ['rebind', '1.2.3.4'],
      ['backends', 'drain', 'nowhere'],
      ['evacuate', 'nowhere'],
    ])
      expect(await dde(args), args.join(' ')).toMatchObject({ code: 2, out: '' });
  });

  test.each([
    [['backends', 'drian', 'orthanc1'], 'has no command "drian": did you mean drain?'],
    [['quarantine', 'everything'], 'there are list, retry'],
    [['stauts'], 'Did you mean status?'],
    [['studies', '--since', 'yesterday'], 'how long ago, such as 30min or 2h'],
    [['shadow', '--limit', '0'], '--limit: '],
    [['history', '--from', '1h', '--to', '3h'], '--from: must not be after'],
  ])('what was mistyped in %s is said, with 2', async (args, sentence) => {
    expect(await dde(args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(sentence) });
  });

  test('an accession number is asked for only where the topology allows it', async () => {
    const refused = await dde(['studies', '--accession', 'A1']);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('accessionSearch') });
    expect(await dde(['studies', '--uid', '1.2.840'])).toMatchObject({
      code: 0,
      out: 'There is no such study.\n',
    });
  });

  test('a service that is away is said in one sentence', async () => {
    const away = await dde(['status', '--service', 'http://127.0.0.1:9']);
    expect(away.code).toBe(2);
    const another = await dde(['status', '--service', farm.front.url]);
    expect(another).toMatchObject({ code: 2, err: expect.stringContaining('it is an Orthanc') });
    const plain = await dde(['status', '--service', farm.service.url.replace('http:', 'https:')]);
    expect(plain).toMatchObject({ code: 2, err: expect.stringContaining('does not speak TLS') });
    expect(away.err.trim().split('\n')).toHaveLength(1);
    expect(away.err).toContain('does not answer');
  });

  test('it is asked where DDE_URL says, with DDE_TOKEN, and nothing else of the farm is needed', async () => {
    const elsewhere = { DDE_TOPOLOGY: '/nowhere.yaml', DDE_HOME: '/nowhere', DDE_ADMIN_TOKEN: '' };
    const url = farm.topology.service.url;
    const asked = await dde(['status'], {
      ...elsewhere,
      DDE_URL: `${url}/`,
      DDE_TOKEN: 'token-of-this-test-farm',
    });
    expect(asked, asked.err).toMatchObject({ code: 0 });
    const refused = await dde(['status'], { ...elsewhere, DDE_URL: url, DDE_TOKEN: 'another-token' });
    expect(refused).toMatchObject({
      code: 2,
      err: expect.stringContaining('refuses the token of DDE_TOKEN'),
    });
    const wrong = await dde(['status'], { ...elsewhere, DDE_URL: 'pacs.example' });
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('DDE_URL is "pacs.example"') });
  });

  test('the token of the farm here is not shown to another machine', async () => {
    await writeFile(join(farm.home, 'admin-token'), 'token-of-this-test-farm\n');
    const own = { DDE_ADMIN_TOKEN: '' };
    expect(await dde(['status'], own)).toMatchObject({ code: 0 });
    expect(await dde(['status', '--service', farm.topology.service.url], own)).toMatchObject({ code: 0 });
    const other = await dde(['status', '--service', 'https://pacs.example:3000'], own);
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('There is no token for') });
  });

  test('all pages are one document, and one table', async () => {
    const points = z.object({ items: z.array(z.object({ at: z.string() })), next: z.null() });
    const all = await dde(['history', '--all', '--json']);
    expect(points.parse(JSON.parse(all.out)).items.length).toBeGreaterThan(2);
    expect(JSON.parse((await dde(['audit', '--all', '--json'])).out)).toEqual({ items: [], next: null });
    const first = await dde(['history', '--limit', '1']);
    expect(first.out.split('\n')).toHaveLength(3);
    expect(first.err).toMatch(/^There are more: --all, or --cursor \S+\n$/);
    expect(await dde(['history', '--limit', '0'])).toMatchObject({ code: 2 });
  });

  test('status is watched until Ctrl-C: a line of JSON each time, frames without a terminal', async () => {
    const lines = await followDde(
      farm,
      ['status', '--watch', '--interval', '0.2', '--json'],
      (out) => out.split('\n').length > 3,
    );
    expect(lines, lines.err).toMatchObject({ code: 0 });
    for (const line of lines.out.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('queue');
    const frames = await followDde(
      farm,
      ['queue', '-w', '--interval', '0.2'],
      (out) => out.split('waiting').length > 2,
    );
    expect(frames.code).toBe(0);
    expect(frames.out).toMatch(/^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n0 images waiting\n\n?){2}$/);
    expect(await dde(['queue', '-w', '--interval', 'often'])).toMatchObject({ code: 2 });
  });

  test('what is watched on a terminal stays in place, and a service that is away is waited for', async () => {
    const away = await followDde(
      farm,
      ['backends', '--watch', '--interval', '0.2', '--service', 'http://127.0.0.1:9'],
      (out) => out.split('does not answer').length > 2,
      { isTTY: true, columns: 80, rows: 5 },
    );
    expect(away).toMatchObject({ code: 0, err: '' });
    const shown = await followDde(
      farm,
      ['status', '--watch', '--interval', '0.2'],
      (out) => out.split('Ctrl-C').length > 2,
      { isTTY: true, columns: 80, rows: 5 },
    );
    expect(shown).toMatchObject({ code: 0, err: '' });
    const [, screen = '', after = ''] = shown.out.split(new RegExp(`${escape}\\[\\?1049[hl]`));
    // Two frames, each from the upper left corner, none longer than the terminal; and the last one whole at the end.
    const frames = screen.split(`${escape}[H`).slice(1);
    expect(frames.length).toBeGreaterThanOrEqual(2);
    for (const frame of frames) expect(frame.split('\r\n')).toHaveLength(5);
    expect(screen).toContain('more lines');
    expect(after).toContain('orthanc2');
    expect(after).not.toContain('Ctrl-C');
  });

  test('check names an Orthanc that refuses the password', async () => {
    const wrong = await dde(['check'], { DDE_FRONT_PASSWORD: 'another' });
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain('refuses');
  });

  test('check names two backends that are one Orthanc, reached under two names', async () => {
    const [one, other] = [farm.backend('orthanc1'), farm.backend('orthanc2')];
    const image = makeInstance({ seed: 'under two names' });
    await one.fetch('/instances', { method: 'POST', body: new Uint8Array(image.file) });
    const file = join(dirname(farm.topology.file), 'twins.yaml');
    const topology = await readFile(farm.topology.file, 'utf8');
    await writeFile(file, topology.replaceAll(other.url, one.url.replace('127.0.0.1', '127.0.0.2')));
    const twins = await dde(['check', '--json'], { DDE_TOPOLOGY: file });
    await one.fetch(`/instances/${image.orthancId}`, { method: 'DELETE' });
    await rm(file);
    expect(twins.code).toBe(1);
    expect(twins.out).toContain('orthanc1 and orthanc2 are one Orthanc under two names');
    expect((await dde(['check'])).out).not.toContain('one Orthanc');
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
