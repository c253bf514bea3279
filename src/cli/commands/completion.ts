import { resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { connectService } from '../client.ts';
import { bashCompletion, quoted } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { namesFromService, namesFromTopology } from '../completion/names.ts';
import { completedCommands, type FarmName, farmNames } from '../completion/tree.ts';
import { zshCompletion } from '../completion/zsh.ts';
import type { CliContext } from '../program.ts';

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

type Shell = keyof typeof shells;

/** A person waits for it with a finger on the key. */
const patienceMs = 1500;

export function registerCompletion(program: Command, context: CliContext): void {
  program
    .command('completion')
    .summary('words after TAB, for bash, zsh or fish')
    .description('print the script that lets a shell complete commands, options and names of the farm')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(shells)))
    .addHelpText(
      'after',
      [
        '',
        'The words of commands stand in the script; backends, fronts, studies and what is',
        'in quarantine are asked of the service, by DDE_URL and DDE_TOKEN where they are',
        'set. Print it again after an update.',
        '',
        'Examples:',
        '  dde completion bash >~/.local/share/bash-completion/completions/dde',
        '  dde completion zsh >"${fpath[1]}/_dde"',
        '  dde completion fish >~/.config/fish/completions/dde.fish',
      ].join('\n'),
    )
    .action((shell: Shell) => {
      // By its own path rather than as `dde`, which may be an alias or started by npx.
      const entry = resolve(import.meta.dirname, '../dde.ts');
      const ask = [process.execPath, entry].map(quoted).join(' ');
      context.out.raw(shells[shell](completedCommands(program), ask));
    });

  program
    .command('__complete', { hidden: true })
    .description('names of the farm, one a line, for the scripts of "dde completion"')
    .addArgument(new Argument('<what>').choices(farmNames))
    .action(async (what: FarmName) => {
      for (const name of await names(context, what)) context.out.line(name);
    });
}

/** Nobody is there to read what is wrong: a word that cannot be completed is not completed. */
async function names(context: CliContext, what: FarmName): Promise<readonly string[]> {
  try {
    return await namesFromService(connectService(context, {}, patienceMs), what);
  } catch {
    try {
      return namesFromTopology(context, what);
    } catch {
      return [];
    }
  }
}
