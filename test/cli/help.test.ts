import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { commandTree, run } from '../../src/cli/program.ts';

/** Every command that can be typed, by its words: `quarantine release`. */
function typedCommands(command: Command, words: readonly string[] = []): (readonly [string, Command])[] {
  const visible = command.createHelp().visibleCommands(command);
  return command.commands
    .filter((one) => visible.includes(one))
    .flatMap((one) => {
      const path = [...words, one.name()];
      return [[path.join(' '), one] as const, ...typedCommands(one, path)];
    });
}

const all = typedCommands(await commandTree());

async function help(...words: string[]): Promise<string> {
  let text = '';
  const write = (some: string): boolean => {
    text += some;
    return true;
  };
  const code = await run([...words, '--help'], { stdout: { write }, stderr: { write }, env: {}, cwd: '/' });
  expect(code).toBe(0);
  return text;
}

/** The command lines below "Examples:", without what is said beside them and variables set before them. */
function examplesIn(text: string): readonly string[] {
  const [, below = ''] = text.split('\nExamples:\n');
  return below
    .split('\n')
    .map((line) => /^ {2}(?:[A-Z_]+=\S+ )*(dde .*)$/.exec(line)?.[1]?.replace(/ {2,}.*$| >.*$/, '') ?? '')
    .filter((line) => line !== '');
}

/** What is wrong with a command line, in commander's words; null: nothing. Nothing is done. */
async function fault(line: string): Promise<string | null> {
  let said = '';
  const tree = await commandTree();
  const disarm = (command: Command): void => {
    command
      .exitOverride()
      .configureOutput({ writeErr: (text) => void (said += text), writeOut: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    for (const one of command.commands) disarm(one);
  };
  disarm(tree);
  try {
    const words = (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''));
    await tree.parseAsync(words.slice(1), { from: 'user' });
    return null;
  } catch (error) {
    return said === '' && error instanceof Error ? error.message : said.trim();
  }
}

test.each(all.map(([words]) => words))(
  'dde %s --help has examples that work, in 80 columns',
  async (words) => {
    const text = await help(...words.split(' '));
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    const examples = examplesIn(text);
    expect(examples.length, text).toBeGreaterThan(0);
    const own = examples.filter((line) => line.startsWith(`dde ${words.split(' ')[0] ?? ''}`));
    expect(own.length, text).toBeGreaterThan(0);
    const faults = await Promise.all(examples.map(async (line) => ({ line, fault: await fault(line) })));
    expect(faults.filter((one) => one.fault !== null)).toEqual([]);
  },
);

test('an example that would not work is found', async () => {
  expect(await fault('dde status --watched')).toContain('--watch');
  expect(await fault('dde where')).toContain('study');
  expect(await fault('dde stauts')).toContain('status');
  expect(await fault('dde studies --state lost')).toContain('lost');
});

test('every option says what it does, and the help lists every command, in 80 columns', async () => {
  const text = await help();
  expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  for (const [words, command] of all) {
    if (!words.includes(' ')) expect(text).toContain(`\n  ${words}`);
    expect(command.description(), words).not.toBe('');
    for (const option of command.options) expect(option.description, `${words} ${option.flags}`).not.toBe('');
  }
});
