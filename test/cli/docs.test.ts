import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { commands } from '../../src/cli/commands/index.ts';
import { createOutput } from '../../src/cli/output.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('docs/cli.md names every command', () => {
  const program = new Command();
  const sink = { write: () => true };
  const context = {
    out: createOutput(sink, sink, {}),
    env: {},
    cwd: root,
    environment: () => {
      throw new Error('not needed to register');
    },
    exitWith: () => {},
    confirm: () => Promise.resolve(null),
  };
  for (const register of commands) register(program, context);
  const text = read('docs/cli.md');
  expect(
    program.commands.map((one) => one.name()).filter((name) => !text.includes(`## dde ${name}\n`)),
  ).toEqual([]);
});

test('docs/api.md names every route', () => {
  const text = read('docs/api.md');
  const folder = 'src/admin/routes';
  const paths = readdirSync(join(root, folder)).flatMap((file) =>
    [...read(`${folder}/${file}`).matchAll(/path: '([^']+)'/g)].map((match) => match[1] ?? ''),
  );
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter((path) => !text.includes(` ${path.replaceAll(/:(\w+)/g, '{$1}')}\``))).toEqual([]);
});
