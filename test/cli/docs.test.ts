import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commandTree } from '../../src/cli/program.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const tree = await commandTree();

test('docs/cli.md names every command', () => {
  const text = read('docs/cli.md');
  expect(
    tree.commands
      .map((one) => one.name())
      // Those for scripts of its own.
      .filter((name) => !name.startsWith('__'))
      .filter((name) => !text.includes(`## dde ${name}\n`)),
  ).toEqual([]);
});

test('docs/api.md names every route', () => {
  const text = read('docs/api.md');
  const folder = 'src/admin/routes';
  const routes = readdirSync(join(root, folder)).flatMap((file) =>
    [...read(`${folder}/${file}`).matchAll(/method: '(\w+)',\s+path: '([^']+)'/g)].map(
      ([, method, path]) => `${method?.toUpperCase()} ${path?.replaceAll(/:(\w+)/g, '{$1}')}`,
    ),
  );
  expect(routes.length).toBeGreaterThan(10);
  expect(routes.filter((route) => !text.includes(`| \`${route}\``))).toEqual([]);
});

/** Every `dde …` that stands in a code block of the documents, or in back quotes, and so is there to be typed. */
function typed(): { readonly where: string; readonly line: string }[] {
  const files = ['README.md', ...readdirSync(join(root, 'docs')).map((file) => join('docs', file))];
  return files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line) => [
          ...[...line.matchAll(/`(?:npx )?(dde [a-z][^`]*)`/g)].map((match) => match[1] ?? ''),
          ...(/^\$? ?(?:npx )?dde [a-z]/.test(line) ? [line.replace(/^\$? ?(?:npx )?/, '')] : []),
        ])
        .map((line) => ({ where: file, line: line.replace(/\s+#.*$/, '') })),
    );
}

/** What is wrong with a command line; null: nothing. Values of options are taken for arguments, so only too few are seen. */
function fault(line: string): string | null {
  const [, ...words] = line.split(/\s+/);
  let command = tree;
  const rest = [...words];
  while (command.commands.length > 0 && rest.length > 0 && !rest[0]?.startsWith('-')) {
    const next = command.commands.find((one) => one.name() === rest[0]);
    if (next === undefined) return `"${command.name()}" has no command "${rest[0]}"`;
    command = next;
    rest.shift();
  }
  const unknown = rest.filter(
    (word) =>
      word.startsWith('--') && word !== '--help' && !command.options.some((option) => option.long === word),
  );
  if (unknown.length > 0) return `"${command.name()}" has no option ${unknown.join(', ')}`;
  return null;
}

test('every command in the documents exists, with its options', () => {
  const lines = typed();
  expect(lines.length).toBeGreaterThan(50);
  const faults = lines.map(({ where, line }) => ({ where, line, fault: fault(line) }));
  expect(faults.filter((one) => one.fault !== null)).toEqual([]);
});

test('docs/operating.md covers every reason for quarantine, and its links lead somewhere', () => {
  const text = read('docs/operating.md');
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
  expect(headings).toEqual(expect.arrayContaining(['conflict', 'refused', 'unreadable']));
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1] ?? '');
  expect(links.filter((link) => !headings.includes(link))).toEqual([]);
  expect(links.length).toBeGreaterThan(5);
});

test('every metric the documents name is one, and docs/monitoring.md names all of them', () => {
  const folder = 'src/admin/metrics';
  const files = ['src/metrics.ts', ...readdirSync(join(root, folder)).map((file) => `${folder}/${file}`)];
  const there = new Set(
    files.flatMap((file) => [...read(file).matchAll(/'(dde_\w+)'/g)].map(([, name]) => name)),
  );
  const namedIn = (file: string) => [...read(file).matchAll(/`(dde_\w+)`/g)].map(([, name]) => name);
  const described = namedIn('docs/monitoring.md');
  expect([...described, ...namedIn('docs/operating.md')].filter((name) => !there.has(name))).toEqual([]);
  expect([...there].filter((name) => !described.includes(name))).toEqual([]);
});
