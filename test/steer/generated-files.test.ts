import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { generateFiles, staleFiles, writeGenerated } from '../../src/generate/generate.ts';
import { silentLogger } from '../../src/log.ts';
import { createGeneratedFiles, type FollowingFiles } from '../../src/steer/generated-files.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { tempDir } from '../support/temp.ts';

const text = (more = ''): string => `
fronts:
  - { name: front, url: 'http://127.0.0.1:1', password: { env: P }, run: { httpPort: 1, dicomPort: 2, aeTitle: F } }
backends:
  - { name: one, url: 'http://127.0.0.1:3', password: { env: P }, run: { httpPort: 3, dicomPort: 4, aeTitle: B } }
${more}`;
const two = `  - { name: two, url: 'http://127.0.0.1:5', password: { env: P }, run: { httpPort: 5, dicomPort: 6, aeTitle: C } }\n`;

async function project() {
  const folder = await tempDir('generated');
  onTestFinished(() => folder.remove());
  const root = folder.path;
  const file = join(root, 'topology.yaml');
  const files = () => generateFiles(loadTopology(file, {}, 'generate'));
  const save = (content: string): void => writeFileSync(file, content);
  const start = (): FollowingFiles =>
    createGeneratedFiles({ file, variables: {}, generatedRoot: root }, join(root, 'home'), silentLogger());
  return {
    root,
    save,
    start,
    generate: () => writeGenerated(root, files()),
    stale: () => staleFiles(root, files()),
  };
}

test('files that were up to date stay so, with those of new Orthancs', async () => {
  const { save, start, generate, stale } = await project();
  save(text());
  generate();
  const files = start();
  save(text(two));
  files.follow();
  expect(stale()).toEqual([]);
  save(text());
  files.follow();
  expect(stale()).toEqual([]);
});

test('killed between the topology and its files, it goes on at the next start', async () => {
  const { save, start, generate, stale } = await project();
  save(text());
  generate();
  start();
  save(text(two));
  expect(stale()).not.toEqual([]);
  start();
  expect(stale()).toEqual([]);
});

test('what somebody else changed, or never made, is left as it is', async () => {
  const { root, save, start, generate, stale } = await project();
  save(text());
  generate();
  const own = join(root, 'orthanc-config/front.json');
  writeFileSync(own, '{ "Name": "mine" }');
  const files = start();
  save(text(two));
  files.follow();
  expect(readFileSync(own, 'utf8')).toBe('{ "Name": "mine" }');

  for (const folder of ['orthanc-config', 'lua', 'home']) rmSync(join(root, folder), { recursive: true });
  start().follow();
  expect(stale()).toHaveLength(5);
});

test('a mistake in the topology changes no file', async () => {
  const { root, save, start, generate } = await project();
  save(text());
  generate();
  const before = readFileSync(join(root, 'orthanc-config/front.json'), 'utf8');
  const files = start();
  save('fronts: no list');
  files.follow();
  expect(readFileSync(join(root, 'orthanc-config/front.json'), 'utf8')).toBe(before);
});
