import type { Argument, Command, Option } from 'commander';
import { scenarioNames } from '../../simulate/scenario.ts';
import { policyNames } from '../../topology/topology.ts';

/** What may be asked of the farm when a word is completed. */
export const farmNames = ['backend', 'front', 'orthanc', 'study', 'instance'] as const;
export type FarmName = (typeof farmNames)[number];

/** What a word may be: one of a few, a name of the farm's, a file, or nothing that could be known. */
export type Words =
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  | { readonly kind: 'farm'; readonly name: FarmName }
  | { readonly kind: 'files' }
  | { readonly kind: 'unknown' };

export interface CompletedOption {
  /** `--watch` */
  readonly long: string;
  /** `-w` */
  readonly short: string | null;
  readonly description: string;
  /** Null: it takes no value. */
  readonly value: Words | null;
  /** It takes all words up to the next option. */
  readonly variadic: boolean;
}

export interface CompletedCommand {
  /** `backends drain`; empty: what stands behind `dde` itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly CompletedOption[];
  readonly args: readonly { readonly words: Words; readonly variadic: boolean }[];
}

/** Every command with what may stand behind it; the one without a name comes first. */
export function completedCommands(program: Command): readonly CompletedCommand[] {
  return below(program, []);
}

function below(command: Command, path: readonly string[]): readonly CompletedCommand[] {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ name: one.name(), summary: one.summary() === '' ? one.description() : one.summary() }));
  // What may be typed behind a group without naming a command is what its default command takes.
  const standard = command.commands.find((one) => one.name() === 'list') ?? null;
  const options = [...command.createHelp().visibleOptions(command), ...(standard?.options ?? [])];
  const own: CompletedCommand = {
    path: path.join(' '),
    commands: visible,
    options: options.map(completedOption),
    args: command.registeredArguments.map((argument) => ({
      words: wordsOfArgument(argument, path),
      variadic: argument.variadic,
    })),
  };
  const others = command.commands.filter((one) => visible.some(({ name }) => name === one.name()));
  return [own, ...others.flatMap((one) => below(one, [...path, one.name()]))];
}

function completedOption(option: Option): CompletedOption {
  const takesValue = option.required || option.optional;
  return {
    long: option.long ?? option.short ?? option.flags,
    short: option.long === undefined ? null : (option.short ?? null),
    description: option.description,
    value: takesValue ? wordsOfOption(option) : null,
    variadic: option.variadic,
  };
}

function wordsOfOption(option: Option): Words {
  if (option.argChoices !== undefined) return { kind: 'choices', choices: option.argChoices };
  const placeholder = /[<[]([\w|-]+)/.exec(option.flags)?.[1] ?? '';
  return wordsNamed(placeholder) ?? wordsNamed((option.long ?? '').replace(/^--/, '')) ?? { kind: 'unknown' };
}

function wordsOfArgument(argument: Argument, path: readonly string[]): Words {
  if (argument.argChoices !== undefined) return { kind: 'choices', choices: argument.argChoices };
  const name = argument.name();
  // `backends drain <name>`: a backend there is; one that is to be added has no name yet.
  if (name === 'name' && path[0] === 'backends' && path[1] !== 'add')
    return { kind: 'farm', name: 'backend' };
  return wordsNamed(name) ?? { kind: 'unknown' };
}

/** By what a placeholder or an option is called; null: nothing is known of such. */
function wordsNamed(name: string): Words | null {
  const farm = farmNames.find((one) => one === name);
  if (farm !== undefined) return { kind: 'farm', name: farm };
  if (name === 'file' || name === 'path') return { kind: 'files' };
  if (name === 'policy') return { kind: 'choices', choices: policyNames };
  if (name === 'scenario') return { kind: 'choices', choices: scenarioNames() };
  return null;
}
