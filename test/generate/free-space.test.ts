import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generateFiles } from '../../src/generate/generate.ts';
import { writeGenerated } from '../../src/generate/write.ts';
import { parseTopology } from '../../src/topology/load.ts';
import { sendDicom } from '../support/dicom-sender.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { freePort } from '../support/ports.ts';
import { makeInstance, makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { type Manner, standIn } from './announcements.ts';

const topology = (minFree: string): string => `
fronts: [{ name: front, url: "http://f", password: { env: F }, run: { httpPort: 81, dicomPort: 104, aeTitle: F } }]
backends: [{ name: one, url: "http://b", password: { env: B } }]
routing: { admission: { minFree: "${minFree}", resume: 0.8 } }
`;

interface Rig extends AsyncDisposable {
  readonly front: OrthancProcess;
  /** What `df` says from now on. */
  says(output: string): Promise<void>;
  /** The answers to instances sent one after the other. */
  send(instances: readonly SyntheticInstance[]): Promise<readonly (string | null)[]>;
}

/** A front with a `df` of the test's: it prints what `says` was given, after `before`. */
async function startRig(given: {
  readonly df: string;
  readonly before?: string;
  readonly service?: string;
  readonly minFree?: string;
}): Promise<Rig> {
  const dir = await tempDir('free-space');
  const output = join(dir.path, 'output');
  const says = (text: string): Promise<void> => writeFile(output, text);
  await says(given.df);
  const df = join(dir.path, 'df');
  await writeFile(df, `#!/bin/sh\n${given.before ?? ''}\ncat '${output}'\n`);
  await chmod(df, 0o755);
  const files = generateFiles(parseTopology('t.yaml', topology(given.minFree ?? '1 GB'), {}, 'generate'));
  writeGenerated(dir.path, files);
  const front = await startOrthanc({
    name: 'front',
    password: 'p',
    configFiles: [join(dir.path, 'orthanc-config/front.json')],
    env: {
      DDE_FRONT_PASSWORD: 'p',
      DDE_LUA: join(dir.path, 'lua'),
      DDE_SERVICE_URL: given.service ?? `http://127.0.0.1:${await freePort()}`,
      PATH: `${dir.path}:${process.env.PATH ?? ''}`,
    },
  });
  return {
    front,
    says,
    async send(instances) {
      const paths = await writeInstances(instances, join(dir.path, 'sent'));
      return (await sendDicom(paths, { port: front.dicomPort })).map(({ status }) => status);
    },
    async [Symbol.asyncDispose]() {
      await front.stop();
      await dir.remove();
    },
  };
}

const coreutils = (megabytes: number): string =>
  `Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda         264212084 24905632  ${Math.round(megabytes * 976.5625)}      24% /var/lib/with space/orthanc
`;
const busybox = (megabytes: number): string =>
  `Filesystem           1024-blocks    Used Available Capacity Mounted on
overlay               61255492  32345556  ${Math.round(megabytes * 976.5625)}  54% /
`;

describe.concurrent('free space, as df says it', () => {
  it.each([
    ['little, by coreutils', coreutils(900), '0xa700'],
    ['little, by busybox', busybox(900), '0xa700'],
    ['little on the second of two disks', coreutils(90_000) + coreutils(12), '0xa700'],
    ['none', coreutils(0), '0xa700'],
    ['less than none', busybox(-5), '0xa700'],
    ['enough', coreutils(1400), '0x0000'],
    ['a petabyte', coreutils(1e9), '0x0000'],
    ['nothing', '', '0x0000'],
    ['garbage', 'df: /x: No such file\n\0\xff 1 2 x 4% 5\n'.repeat(5000), '0x0000'],
  ])('%s', async (_what, df, status) => {
    await using rig = await startRig({ df });
    expect(await rig.send([makeInstance()])).toEqual([status]);
    expect(rig.front.log().includes('cannot be read')).toBe(!df.includes('Filesystem'));
  });

  it('of a df that hangs is not waited for', async () => {
    await using rig = await startRig({ df: coreutils(1), before: 'exec sleep 100' });
    const started = performance.now();
    const statuses = await rig.send(makeStudy({ instances: 30 }).instances);
    expect(new Set(statuses)).toEqual(new Set(['0x0000']));
    expect(performance.now() - started).toBeLessThan(20_000);
    // Once by each of the two Lua contexts, not once an image.
    expect(rig.front.log().split('cannot be read').length).toBeLessThanOrEqual(3);
  });

  it('is needed distinctly more of, once there was too little', async () => {
    await using rig = await startRig({ df: coreutils(900) });
    const probe = makeInstance({ rows: 8, columns: 8 });
    expect(await rig.send([probe])).toEqual(['0xa700']);
    await rig.says(coreutils(1200));
    // Longer than a figure is kept.
    const since = Date.now();
    await until(async () => (await rig.send([probe]))[0] === '0xa700' && Date.now() - since > 2500, {
      what: 'the front to look again',
    });
    expect(rig.front.log()).not.toContain('images are taken again.\n');
    await rig.says(coreutils(1300));
    await until(async () => (await rig.send([probe]))[0] === '0x0000', { what: 'the image to be taken' });
  });

  it('is not promised to more images than fit at the same moment', async () => {
    // 40 images of 2 MB, and 30 MB above the limit: df says the same throughout, as when all arrive within a second.
    await using rig = await startRig({ df: coreutils(50), minFree: '20 MB' });
    const statuses = await rig.send(makeStudy({ instances: 40, bytes: 2_000_000 }).instances.slice(0, 40));
    const taken = statuses.filter((status) => status === '0x0000').length;
    expect(taken).toBeGreaterThan(5);
    expect(statuses).toContain('0xa700');
  });

  it('that would not do for one large image does for small ones', async () => {
    await using rig = await startRig({ df: coreutils(30), minFree: '20 MB' });
    const large = makeInstance({ bytes: 25_000_000 });
    expect(await rig.send([large, makeInstance()])).toEqual(['0xa700', '0x0000']);
    expect(rig.front.log()).toContain('this image may need 25 MB');
  });

  it('does not matter when there is no limit', async () => {
    await using rig = await startRig({ df: coreutils(0), minFree: 'none' });
    expect(await rig.send([makeInstance()])).toEqual(['0x0000']);
  });
});

describe.concurrent('refusing, the front tells the service', () => {
  it('that it refuses, why and how many, and that it takes images again', async () => {
    await using service = await standIn('well');
    await using rig = await startRig({ df: coreutils(900), service: service.url });
    const reports = () => service.announced.filter(({ path }) => path === '/hook/admission');
    await rig.send(makeStudy({ instances: 10, patientName: 'Secret^Name' }).instances);
    expect(reports()).toHaveLength(1);
    expect(reports()[0]?.body).toEqual({
      front: 'front',
      open: false,
      reason: expect.stringContaining('900 MB free on the disk of this front; the limit is 1000 MB'),
      freeBytes: expect.stringMatching(/^(899|900)\d{6}$/),
      freeAt: expect.stringMatching(/^\d{10}$/),
      refused: '1',
      startedAt: expect.stringMatching(/^\d{10}$/),
    });
    await rig.says(coreutils(5000));
    await until(async () => (await rig.send([makeInstance()]))[0] === '0x0000', {
      what: 'an image to be taken',
    });
    expect(reports()).toHaveLength(2);
    expect(reports()[1]?.body).toMatchObject({ open: true });
    expect(Number(reports()[1]?.body['refused'])).toBeGreaterThanOrEqual(10);
    expect(JSON.stringify(reports())).not.toContain('Secret');
  });

  const manners: readonly Manner[] = [
    'never',
    'status 500',
    'no JSON',
    'another identifier',
    'hangs up',
    'endlessly',
  ];
  it.each(manners)('and does not wait for one that answers %s', { timeout: 60_000 }, async (manner) => {
    await using service = await standIn(manner);
    await using rig = await startRig({ df: coreutils(900), service: service.url });
    const started = performance.now();
    const statuses = await rig.send(makeStudy({ instances: 60 }).instances);
    expect(new Set(statuses)).toEqual(new Set(['0xa700']));
    // At most two tries of two seconds each fall into the first ten seconds.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(service.calls).toBeLessThanOrEqual(3);
    await rig.says(coreutils(5000));
    await until(async () => (await rig.send([makeInstance()]))[0] === '0x0000', {
      what: 'an image to be taken',
    });
    const said = rig.front.log();
    expect(said.split('new images are refused: ')).toHaveLength(2);
    expect(said.split('new images are taken again.')).toHaveLength(2);
  });
});
