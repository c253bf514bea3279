import { spawnSync } from 'node:child_process';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  composeEnvFile,
  generateFiles,
  hookScript,
  orthancConfigFile,
  staleFiles,
  writeGenerated,
} from '../../src/generate/generate.ts';
import { loadTopology, parseTopology } from '../../src/topology/load.ts';
import { stripJsonComments } from '../support/json-comments.ts';
import { orthancCommand } from '../support/orthanc-process.ts';
import { tempDir } from '../support/temp.ts';

const project = join(import.meta.dirname, '../..');
const topologyFile = join(project, 'orthanc-config/topology.yaml');
const files = generateFiles(loadTopology(topologyFile, {}, 'generate'));

const large = `
service: { url: "http://10.0.0.1:3000" }
fronts:
  - { name: north, url: "http://n", password: { env: N }, associations: 40, run: { httpPort: 81, dicomPort: 104, aeTitle: N } }
  - { name: south, url: "http://s", password: { env: S } }
backends:
  - { name: big-one, url: "http://b", password: { env: B }, lanes: 20, run: { httpPort: 82, dicomPort: 105, aeTitle: B } }
  - { name: far, url: "https://f/orthanc", username: dde, password: { file: /nowhere }, lanes: 4 }
routing: { transferTimeout: { base: 30 s, rate: 500 kB/s } }
`;

function parsed(file: string, from: ReadonlyMap<string, string> = files): Record<string, unknown> {
  const content: unknown = JSON.parse(from.get(file) ?? 'null');
  if (typeof content !== 'object' || content === null) throw new Error(`${file} is not generated`);
  return { ...content };
}

it('the committed files are what the topology says', () => {
  expect(staleFiles(project, files)).toEqual([]);
  expect([...files.keys()].sort()).toEqual([
    'lua/on-stored-instance.lua',
    'orthanc-config/compose.env',
    'orthanc-config/front.json',
    'orthanc-config/orthanc1.json',
    'orthanc-config/orthanc2.json',
  ]);
});

it('each says what made it', () => {
  for (const content of files.values()) expect(content.slice(0, 200)).toContain('Made by');
});

it('depend on the topology alone, and carry no secret', () => {
  const environment = {
    DDE_FRONT_PASSWORD: 'secret-of-front',
    DDE_ORTHANC1_PASSWORD: 'secret-of-orthanc1',
    DDE_HOOK_TOKEN: 'secret-token',
    DDE_FRONT_URL: 'http://elsewhere:1',
    DDE_ORTHANC1_URL: 'http://elsewhere:2',
    DDE_SERVICE_URL: 'http://elsewhere',
  };
  expect(generateFiles(loadTopology(topologyFile, environment, 'generate'))).toEqual(files);
  const running = generateFiles(loadTopology(topologyFile, environment));
  expect([...running.values()].join('\n')).not.toContain('secret');
});

describe('Orthanc configurations', () => {
  it('differ from the defaults of Orthanc in every setting', async () => {
    await using folder = await tempDir('defaults');
    const file = join(folder.path, 'defaults.json');
    spawnSync(orthancCommand(), [`--config=${file}`]);
    const example = await readFile(file, 'utf8');
    const defaults: unknown = JSON.parse(stripJsonComments(example));
    if (typeof defaults !== 'object' || defaults === null) throw new Error('no defaults');
    const known: Record<string, unknown> = { ...defaults };
    // A port is the topology's, whatever the default is. Compression was on by default in older versions. Authentication has
    // no fixed default: it depends on who may reach the Orthanc.
    const spared = new Set([
      'HttpPort',
      'DicomPort',
      'HttpCompressionEnabled',
      'AuthenticationEnabled',
      '_generated',
    ]);
    for (const name of ['front', 'orthanc1', 'orthanc2']) {
      for (const [key, value] of Object.entries(parsed(orthancConfigFile(name)))) {
        if (spared.has(key)) continue;
        // Some versions show a setting in a comment; this one is not shown by all that know it.
        if (key !== 'KeepAliveTimeout') expect(example).toContain(`"${key}"`);
        expect(value, `${name}: ${key}`).not.toEqual(known[key]);
      }
    }
  });

  it('leave addresses and passwords to the environment', () => {
    expect(parsed(orthancConfigFile('front'))).toMatchObject({
      RegisteredUsers: { orthanc: '${DDE_FRONT_PASSWORD}' },
      StorageDirectory: '${DDE_STORAGE:-/var/lib/orthanc/db}',
      OrthancPeers: {
        orthanc1: {
          Url: '${DDE_ORTHANC1_URL:-http://127.0.0.1:8042}',
          Password: '${DDE_ORTHANC1_PASSWORD:-orthanc}',
        },
      },
    });
  });

  it('exist for those the farm runs, with room for every lane', () => {
    const generated = generateFiles(parseTopology('t.yaml', large, {}, 'generate'));
    expect([...generated.keys()].sort()).toEqual([
      hookScript,
      orthancConfigFile('big-one'),
      composeEnvFile,
      orthancConfigFile('north'),
    ]);
    expect(parsed(orthancConfigFile('north'), generated)).toMatchObject({
      ConcurrentJobs: 56,
      HttpThreadsCount: 80,
      DicomThreadsCount: 40,
      OrthancPeers: {
        'big-one': {
          Url: '${DDE_BIG_ONE_URL:-http://b}',
          Password: '${DDE_BIG_ONE_PASSWORD}',
          Timeout: 2030,
        },
        far: { Url: '${DDE_FAR_URL:-https://f/orthanc}', Username: 'dde', Password: '${DDE_FAR_PASSWORD}' },
      },
    });
    expect(generated.get(hookScript)).toContain("'http://10.0.0.1:3000'");
    expect(generated.get(composeEnvFile)).toContain('DDE_BIG_ONE_URL=http://big-one:82\n');
  });
});

describe('writing', () => {
  it('touches only what is stale, and says what that was', async () => {
    await using root = await tempDir('generated');
    expect(writeGenerated(root.path, files)).toEqual([...files.keys()]);
    expect(writeGenerated(root.path, files)).toEqual([]);
    const untouched = join(root.path, orthancConfigFile('orthanc1'));
    const before = (await stat(untouched)).mtimeMs;
    await writeFile(join(root.path, hookScript), 'edited by hand');
    await rm(join(root.path, composeEnvFile));

    expect(staleFiles(root.path, files)).toEqual([hookScript, composeEnvFile]);
    expect(writeGenerated(root.path, files)).toEqual([hookScript, composeEnvFile]);
    expect(staleFiles(root.path, files)).toEqual([]);
    expect((await stat(untouched)).mtimeMs).toBe(before);
  });

  it('leaves the old file whole when the new one cannot be written', async () => {
    await using root = await tempDir('generated');
    await writeFile(join(root.path, 'lua'), 'a file where a folder should be');
    expect(() => writeGenerated(root.path, new Map([[hookScript, 'x']]))).toThrow(/EEXIST|ENOTDIR/);
    expect(await readFile(join(root.path, 'lua'), 'utf8')).toBe('a file where a folder should be');
  });
});
