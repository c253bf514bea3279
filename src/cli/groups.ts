import type { Command } from 'commander';
import { nearest } from '../topology/problems.ts';

/** What the help lists together. */
const groups: Readonly<Record<string, readonly string[]>> = {
  'See what is:': [
    'status',
    'where',
    'explain',
    'studies',
    'queue',
    'quarantine',
    'history',
    'events',
    'audit',
  ],
  'Change something:': ['send', 'backends', 'policy', 'rebind', 'heal', 'evacuate', 'log-level'],
  'Try a policy:': ['shadow', 'replay', 'simulate'],
  'Run and keep a farm:': ['up', 'check', 'generate', 'backup', 'tokens'],
  'For the shell:': ['completion', 'help'],
};

/** Puts every command into its group; one that nobody has put into any stands below "Commands:" and is not lost. */
export function group(program: Command): void {
  for (const [heading, names] of Object.entries(groups)) {
    for (const command of program.commands) {
      if (names.includes(command.name())) command.helpGroup(heading);
    }
  }
}

/** `rebind <study> [backend]`: that a command has options goes without saying in a list of them. */
export function commandTerm(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...words].join(' ');
}

/** Commands that stand for their group when none of it is named. */
const standing = new Set(['list', 'show']);

/**
 * Whoever mistypes a command of a group (`dde backends drian`) means none of the words that the group's own list takes: it takes none,
 * and is made to say so in those terms.
 */
export function refuseUnknown(program: Command): void {
  for (const one of program.commands) {
    const list = one.commands.find((below) => standing.has(below.name()));
    if (list === undefined || list.registeredArguments.length > 0) continue;
    list.allowExcessArguments().hook('preAction', (_, action) => {
      const [word] = action.args;
      if (word === undefined) return;
      const names = one.commands.map((below) => below.name());
      const meant = nearest(word, names);
      const hint = meant === null ? `there are ${names.join(', ')}` : `did you mean ${meant}?`;
      action.error(`error: "dde ${one.name()}" has no command "${word}": ${hint}`);
    });
  }
}
