import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quoted } from '../../src/cli/completion/bash.ts';
import { run } from '../../src/cli/program.ts';
import { type TempDir, tempDir } from '../support/temp.ts';
import { root } from './dde.ts';

let folder: TempDir;

beforeAll(async () => {
  folder = await tempDir('completion');
  for (const shell of ['bash', 'zsh', 'fish']) {
    let script = '';
    const code = await run(['completion', shell], {
      stdout: { write: (some) => (script += some) },
      stderr: { write: () => true },
      env: {},
      cwd: root,
    });
    expect(code).toBe(0);
    await writeFile(scriptOf(shell), script);
  }
  await writeFile(join(folder.path, 'scan.dcm'), '');
});
afterAll(async () => folder?.remove());

const scriptOf = (shell: string): string => join(folder.path, `dde.${shell}`);

function output(program: string, ...args: string[]): string {
  const ran = spawnSync(program, args, {
    cwd: folder.path,
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      HOME: folder.path,
      // No service answers there: names come from the topology.
      DDE_URL: 'http://127.0.0.1:9',
      DDE_TOPOLOGY: join(root, 'orthanc-config', 'topology.yaml'),
      DDE_HOME: folder.path,
    },
  });
  expect(ran.stderr, args.join(' ')).toBe('');
  expect(ran.status, args.join(' ')).toBe(0);
  return ran.stdout;
}

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

/** What each shell offers for lines whose last word is unfinished. */
const shells = {
  bash(lines: readonly string[]): string[][] {
    const script = lines
      .map((line) => {
        const words = line.split(' ');
        return `COMP_WORDS=(${words.map(quoted).join(' ')}); COMP_CWORD=${words.length - 1}; _dde; echo "\${COMPREPLY[*]}"`;
      })
      .join('\n');
    const out = output('bash', '--norc', '-c', `source ${quoted(scriptOf('bash'))}\n${script}`);
    return out
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' ').filter((word) => word !== ''));
  },
  fish(lines: readonly string[]): string[][] {
    const script = lines
      .map((line) => `complete -C ${quoted(line)} | string split -f1 \\t; echo ---`)
      .join('\n');
    const out = output('fish', '--no-config', '-c', `source ${quoted(scriptOf('fish'))}\n${script}`);
    return out
      .split('---\n')
      .slice(0, -1)
      .map((text) => text.split('\n').filter((word) => word !== ''));
  },
};

const expected: readonly (readonly [string, readonly string[]])[] = [
  ['dde stat', ['status']],
  ['dde qu', ['quarantine', 'queue']],
  ['dde backends dr', ['drain']],
  ['dde backends drain ', ['orthanc1', 'orthanc2']],
  ['dde evacuate orthanc1 --to orthanc', ['orthanc1', 'orthanc2']],
  ['dde rebind 1.2.3 orthanc1 ', []],
  ['dde studies --state ver', ['verified']],
  ['dde studies --limit 5 --state ver', ['verified']],
  ['dde studies --modality status --sta', ['--state', '--station']],
  ['dde history --orthanc f', ['front']],
  ['dde simulate --policy pea', ['peak-ewma']],
  ['dde send sc', ['scan.dcm']],
  ['dde backup sc', ['scan.dcm']],
  ['dde quarantine --l', ['--limit']],
  ['dde completion z', ['zsh']],
  ['dde where --no-such', []],
];

describe.each(['bash', 'fish'] as const)('%s', (name) => {
  test.skipIf(!has(name))(`offers what may stand there (skipped where there is no ${name})`, () => {
    const offered = shells[name](expected.map(([line]) => line));
    expect(expected.map(([line], index) => [line, offered[index]?.toSorted()])).toEqual(
      expected.map(([line, words]) => [line, words]),
    );
  });

  test.skipIf(!has(name))('offers every command, and none that is not there to be typed', () => {
    const [offered = []] = shells[name](['dde ']);
    expect(offered).toEqual(expect.arrayContaining(['up', 'status', 'completion']));
    expect(offered.filter((word) => word.startsWith('_'))).toEqual([]);
  });
});

test.skipIf(!has('zsh'))('zsh can read its script (skipped where there is no zsh)', () => {
  output('zsh', '-f', '-n', scriptOf('zsh'));
  const loaded = output(
    'zsh',
    '-f',
    '-c',
    `autoload -Uz compinit && compinit -u -D && source ${quoted(scriptOf('zsh'))} && print $_comps[dde]`,
  );
  expect(loaded.trim()).toBe('_dde');
});

test('a shell that is none is refused', async () => {
  let err = '';
  const code = await run(['completion', 'tcsh'], {
    stdout: { write: () => true },
    stderr: { write: (some) => (err += some) },
    env: {},
    cwd: root,
  });
  expect(code).toBe(2);
  expect(err).toContain('bash, zsh, fish');
});
