import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { run } from '../../src/cli/program.ts';
import { ablations } from '../../src/decision/ablations.ts';
import { tempDir } from '../support/temp.ts';

const report = z.object({
  rows: z.array(z.looseObject({ policy: z.string(), lost: z.number(), splits: z.number() })),
});

/** Backends that differ, more than they can do at first, and one that becomes slow: each part of the policy has something to do. */
const scenario = `
about: Every part has work.
duration: 12 min
arrivals: { load: 0.5, crowds: [{ at: 2 min, for: 30 s, factor: 3 }] }
backends:
  - { name: fast, perInstance: 5 ms, rate: 80 MB/s }
  - { name: images, perInstance: 80 ms, rate: 80 MB/s }
  - { name: line, perInstance: 8 ms, rate: 5 MB/s }
  - { name: lame, perInstance: 400 ms, rate: 8 MB/s }
  - { name: turns, count: 2, spread: 2 }
events:
  - { what: slow, at: 3 min, of: [fast], factor: 0.1 }
  - { what: recover, at: 4 min, of: [fast] }
`;

async function dde(cwd: string, ...args: string[]) {
  let out = '';
  let err = '';
  const code = await run(args, {
    stdout: { write: (some) => (out += some) },
    stderr: { write: (some) => (err += some) },
    env: {},
    cwd,
  });
  return { code, out, err };
}

test('each part of the policy can be left out, has a row of its own, and makes a difference', async () => {
  await using folder = await tempDir('simulate');
  const file = join(folder.path, 'parts.yaml');
  await writeFile(file, scenario);
  const names = ['expected-completion', ...ablations];
  const ran = await dde(
    folder.path,
    'simulate',
    '--scenario',
    file,
    '--seeds',
    '1',
    '--json',
    '--policy',
    ...names,
  );
  expect(ran, ran.err).toMatchObject({ code: 0, err: '' });
  const { rows } = report.parse(JSON.parse(ran.out));
  expect(rows.map(({ policy }) => policy)).toEqual([...names, 'lower bound']);
  expect(rows.every(({ lost, splits }) => lost === 0 && splits === 0)).toBe(true);
  const [whole, ...others] = rows.slice(0, -1).map((row) => JSON.stringify({ ...row, policy: '' }));
  expect(others.filter((figures) => figures === whole)).toEqual([]);
});

test('in the table a part that is left out has a name that fits', async () => {
  const ran = await dde(
    '.',
    'simulate',
    '--scenario',
    'live-equal',
    '--seeds',
    '1',
    '--policy',
    'expected-completion:no-virtual-places',
  );
  expect(ran, ran.err).toMatchObject({ code: 0 });
  expect(ran.out).toMatch(/^:no-virtual-places +[\d.]+/m);
  expect(ran.out.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

test.each([
  ['simulate', 'expected-completion:no-late', 'did you mean expected-completion:no-late-binding?'],
  ['replay', 'expected-completion:', ': there are expected-completion:no-late-binding, '],
  ['simulate', 'round-robin:no-late-binding', 'no policy round-robin:no-late-binding'],
  ['simulate', 'best', 'there are expected-completion, '],
])('dde %s refuses --policy %s in one sentence', async (command, name, sentence) => {
  const { code, out, err } = await dde('.', command, '--policy', name);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err.trim().split('\n')).toHaveLength(1);
  expect(err).toContain(sentence);
});

test.each(['simulate', 'replay'])('dde %s --help says which parts there are', async (command) => {
  const { out } = await dde('.', command, '--help');
  for (const name of ablations) expect(out).toContain(name);
});
