import { existsSync, statSync } from 'node:fs';
import { appendFile, copyFile, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { tempDir } from '../support/temp.ts';

const root = resolve(import.meta.dirname, '../..');
// Plain JavaScript that runs before there are any dependencies: it has no types to import.
const script = pathToFileURL(join(root, 'scripts/setup/dashboard.mjs')).href;
const { ensureDashboard } = (await import(script)) as {
  ensureDashboard: (project: string, node: string) => Promise<boolean>;
};

async function projectIn(folder: string): Promise<string> {
  await mkdir(join(folder, 'web'));
  await copyFile(join(root, 'package-lock.json'), join(folder, 'package-lock.json'));
  await copyFile(join(root, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  for (const one of ['src', 'index.html', 'tsconfig.json', 'vite.config.ts'])
    await cp(join(root, 'web', one), join(folder, 'web', one), { recursive: true });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('the dashboard is built when it is missing or older than its sources, and only then', async () => {
  await using dir = await tempDir('dashboard');
  const project = await projectIn(dir.path);
  const page = join(project, 'web/dist/index.html');

  expect(await ensureDashboard(project, process.execPath)).toBe(true);
  expect(await readFile(page, 'utf8')).toContain('assets/');
  const { mtimeMs } = statSync(page);

  expect(await ensureDashboard(project, process.execPath)).toBe(false);
  expect(statSync(page).mtimeMs).toBe(mtimeMs);

  await appendFile(join(project, 'web/src/style/base.css'), '\n.one-more { color: red; }\n');
  expect(await ensureDashboard(project, process.execPath)).toBe(true);
});

test('what cannot be built is a complaint, and the dashboard that was there stays', async () => {
  await using dir = await tempDir('dashboard');
  const project = await projectIn(dir.path);
  const page = join(project, 'web/dist/index.html');
  await mkdir(join(project, 'web/dist'));
  await writeFile(page, 'the former one');
  await writeFile(join(project, 'web/src/main.tsx'), 'this is no TypeScript');
  await expect(ensureDashboard(project, process.execPath)).rejects.toThrow(/dashboard could not be built/);
  expect(await readFile(page, 'utf8')).toBe('the former one');
  expect(existsSync(join(project, `web/dist.${process.pid}`))).toBe(false);
});
