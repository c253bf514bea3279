import { Command, type Option } from 'commander';
import { withServiceOptions } from '../cli/client.ts';
import { folded } from '../cli/format.ts';
import { commandTree } from '../cli/program.ts';
import { between, marks } from './markers.ts';

/** What docs/cli.md says of one command beside a person's words. */
export interface Usage {
  readonly name: string;
  readonly description: string;
  /** Synopsis and options of it and of its sub-commands. */
  readonly text: string;
}

const width = 80;
const column = 24;

/** Those of every command that asks the service; they are listed once. */
const common = withServiceOptions(new Command());
const commonNames = new Set(common.options.map(({ long }) => long));

/** The usage of every command, in the order of the help. */
export async function usageOf(): Promise<readonly Usage[]> {
  const tree = await commandTree();
  const visible = tree.createHelp().visibleCommands(tree);
  return tree.commands
    .filter((command) => visible.includes(command))
    .map((command) => ({
      name: command.name(),
      description: command.description(),
      text: [command, ...command.commands].filter(isTyped).map(synopsis).join('\n\n'),
    }));
}

/** The options that all commands share which ask the service. */
export function commonOptions(): string {
  return common.options.map(optionLine).join('\n');
}

/** A command that only holds others is nothing to be typed; what it does alone is said by the one that stands for it. */
function isTyped(command: Command): boolean {
  return command.commands.length === 0;
}

function synopsis(command: Command): string {
  const parent = command.parent?.name() === 'dde' ? '' : `${command.parent?.name() ?? ''} `;
  const asks = command.options.some(({ long }) => long === '--service');
  const own = command.options.filter(({ long, hidden }) => !hidden && !(asks && commonNames.has(long)));
  const words = [
    `dde ${parent}${command.name()}`,
    ...(own.length + (asks ? 1 : 0) > 0 ? ['[options]'] : []),
    ...command.registeredArguments.map((argument) => {
      const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
      return argument.required ? `<${name}>` : `[${name}]`;
    }),
  ];
  // What folds it indents all lines but the first.
  return [words.join(' '), `    ${folded(command.description(), width - 4)}`, ...own.map(optionLine)].join(
    '\n',
  );
}

function optionLine(option: Option): string {
  const choices = option.argChoices === undefined ? '' : `: ${option.argChoices.join(', ')}`;
  const shows = option.defaultValue !== undefined && !option.negate;
  const fallback = shows ? ` (default: ${JSON.stringify(option.defaultValue)})` : '';
  const lines = folded(`${option.description}${choices}${fallback}`, width - column - 2).split('\n');
  const text = lines.map((line) => line.trim()).join(`\n${' '.repeat(column + 2)}`);
  const flags = `  ${option.flags}`;
  return flags.length > column
    ? `${flags}\n${' '.repeat(column + 2)}${text}`
    : `${flags.padEnd(column + 2)}${text}`;
}

/** The document with the usage of every command at the end of its section; a command that has no section yet gets one. */
export function withUsage(document: string, usages: readonly Usage[]): string {
  let text = between(document, 'common options', code(commonOptions()));
  for (const usage of usages) text = withOne(text, usage);
  return text;
}

function withOne(text: string, { name, description, text: usage }: Usage): string {
  const mark = `usage of dde ${name}`;
  const { begin, end } = marks(mark);
  const heading = `\n## dde ${name}\n`;
  if (!text.includes(heading)) {
    const section = `${heading}\n${description.charAt(0).toUpperCase()}${description.slice(1)}.\n`;
    return withOne(`${text.trimEnd()}\n${section}`, { name, description, text: usage });
  }
  if (!text.includes(begin)) {
    const from = text.indexOf(heading) + heading.length;
    const next = text.indexOf('\n## ', from);
    const at = next === -1 ? text.length : next;
    return withOne(`${text.slice(0, at).trimEnd()}\n\n${begin}\n${end}\n${text.slice(at)}`, {
      name,
      description,
      text: usage,
    });
  }
  return between(text, mark, code(usage));
}

function code(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``;
}
