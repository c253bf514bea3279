import type { Command } from 'commander';

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
