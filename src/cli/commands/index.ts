import type { Command } from 'commander';
import type { CliContext } from '../program.ts';

/** Adds a command to the program. */
export type Register = (program: Command, context: CliContext) => void;

/**
 * Each by the word it is typed as, in the order in which the help lists them, and loaded when somebody wants it: an HTTP client, a database
 * and the schemas of the whole API take longer to load than most commands to run.
 */
const loaders: Readonly<Record<string, () => Promise<Register>>> = {
  up: async () => (await import('./up.ts')).registerUp,
  status: async () => (await import('./status.ts')).registerStatus,
  where: async () => (await import('./where.ts')).registerWhere,
  explain: async () => (await import('./explain.ts')).registerExplain,
  send: async () => (await import('./send.ts')).registerSend,
  backends: async () => (await import('./backends.ts')).registerBackends,
  policy: async () => (await import('./policy.ts')).registerPolicy,
  studies: async () => (await import('./studies.ts')).registerStudies,
  queue: async () => (await import('./queue.ts')).registerQueue,
  quarantine: async () => (await import('./quarantine.ts')).registerQuarantine,
  rebind: async () => (await import('./rebind.ts')).registerRebind,
  heal: async () => (await import('./heal.ts')).registerHeal,
  evacuate: async () => (await import('./evacuate.ts')).registerEvacuate,
  shadow: async () => (await import('./shadow.ts')).registerShadow,
  replay: async () => (await import('./replay.ts')).registerReplay,
  history: async () => (await import('./history.ts')).registerHistory,
  events: async () => (await import('./events.ts')).registerEvents,
  audit: async () => (await import('./audit.ts')).registerAudit,
  tokens: async () => (await import('./tokens.ts')).registerTokens,
  'log-level': async () => (await import('./log-level.ts')).registerLogLevel,
  backup: async () => (await import('./backup.ts')).registerBackup,
  check: async () => (await import('./check.ts')).registerCheck,
  generate: async () => (await import('./generate.ts')).registerGenerate,
  simulate: async () => (await import('./simulate.ts')).registerSimulate,
  completion: async () => (await import('./completion.ts')).registerCompletion,
};

/** It writes down all the others. */
const needsAll = 'completion';

/**
 * What a command line that begins with this word needs: the command itself, or all of them, for help, for what is mistyped, and where
 * nothing is named.
 */
export async function commandsFor(word: string | undefined): Promise<readonly Register[]> {
  const own =
    word === undefined || word === needsAll || !Object.hasOwn(loaders, word) ? undefined : loaders[word];
  return own === undefined ? await allCommands() : [await own()];
}

/** In the order in which the help lists them. */
export async function allCommands(): Promise<readonly Register[]> {
  return await Promise.all(Object.values(loaders).map((load) => load()));
}
