import { createInterface } from 'node:readline/promises';
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { type Environment, EnvironmentError, readEnvironment } from '../environment.ts';
import { UserError } from '../user-error.ts';
import { allCommands, commandsFor, type Register } from './commands/index.ts';
import { commandTerm, group, refuseUnknown } from './groups.ts';
import { createOutput, type Output, type Sink } from './output.ts';
import { ServiceError } from './service-error.ts';

/** What every command is handed. */
export interface CliContext {
  readonly out: Output;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Read when first asked for, so that `--help` works in a broken environment. Throws EnvironmentError. */
  environment(): Environment;
  /** For commands that ran well and found something wrong, such as a study that is nowhere: 1. */
  exitWith(code: 0 | 1 | 2): void;
  /** Asks the person at the terminal; only "yes" is a yes. Null: there is no terminal to ask at. */
  confirm(question: string): Promise<boolean | null>;
  /** Does what goes on until the person ends it with Ctrl-C, which is no failure: the signal says that it is time. */
  untilStopped<T>(work: (stopped: AbortSignal) => Promise<T>): Promise<T>;
}

export interface CliIo {
  /** Absent: nobody can be asked anything. */
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Calls `stop` when the person wants an end; returns what takes that back. Absent: nobody can. */
  readonly onStop?: (stop: () => void) => () => void;
}

/**
 * Runs one command line (without program and script) and returns its exit code: 0 done, 1 it failed or found something
 * wrong, 2 the person has to change something (a wrong option included).
 */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const out = createOutput(io.stdout, io.stderr, io.env);
  let exitCode = 0;
  let environment: Environment | null = null;
  const context: CliContext = {
    out,
    env: io.env,
    cwd: io.cwd,
    environment: () => (environment ??= readEnvironment(io.env, io.cwd)),
    exitWith(code) {
      exitCode = code;
    },
    confirm: (question) => confirm(question, io),
    untilStopped: (work) => untilStopped(work, io),
  };
  try {
    const program = createProgram(context, io, await commandsFor(argv[0]));
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has already said what was wrong; help and version arrive here too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const paint = createOutput(io.stderr, io.stderr, io.env).colour;
    const debug = io.env['DDE_DEBUG'] !== undefined && io.env['DDE_DEBUG'] !== '';
    for (const line of sentences(error)) out.note(`${paint.red('dde:')} ${line}`);
    if (debug && error instanceof Error) out.note(error.stack ?? String(error));
    return isUsersTurn(error) ? 2 : 1;
  }
}

async function untilStopped<T>(work: (stopped: AbortSignal) => Promise<T>, io: CliIo): Promise<T> {
  const stop = new AbortController();
  const forget = io.onStop?.(() => stop.abort());
  try {
    return await work(stop.signal);
  } finally {
    forget?.();
  }
}

async function confirm(question: string, { stdin, stdout }: CliIo): Promise<boolean | null> {
  if (stdin?.isTTY !== true || stdout.isTTY !== true) return null;
  const asking = createInterface({ input: stdin, terminal: false });
  try {
    stdout.write(`${question} [yes/no] `);
    // Ctrl-D ends the input without a line: that is no yes.
    for await (const line of asking) return line.trim().toLowerCase() === 'yes';
    return false;
  } finally {
    asking.close();
  }
}

/** Examples and remarks stand as they were written, for 80 columns; what is folded beside them should not be much wider. */
const widestHelp = 100;

/** Every command with its options and help, for those who only want to read that; none of them can be run. */
export async function commandTree(): Promise<Command> {
  const sink: Sink = { write: () => true };
  const nothing = (): never => {
    throw new Error('These commands are there to be read, not to be run.');
  };
  const context: CliContext = {
    out: createOutput(sink, sink, {}),
    env: {},
    cwd: '/',
    environment: nothing,
    exitWith: nothing,
    confirm: nothing,
    untilStopped: nothing,
  };
  return createProgram(context, { stdout: sink, stderr: sink, env: {}, cwd: '/' }, await allCommands());
}

function createProgram(context: CliContext, io: CliIo, commands: readonly Register[]): Command {
  const program = new Command('dde')
    .description(
      'Dynamic DICOM endpoints: one AE title in front, every study whole and proven on one Orthanc behind it.',
    )
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'dde: ')),
      getOutHelpWidth: () => Math.min(context.out.width, widestHelp),
      getErrHelpWidth: () => Math.min(context.out.width, widestHelp),
      getOutHasColors: () => context.out.colour.isColorSupported,
      getErrHasColors: () => context.out.colour.isColorSupported,
    })
    // Also beside long names of sub-commands a description is folded into its column.
    .configureHelp({ minWidthToWrap: 20, subcommandTerm: commandTerm })
    .version(packageJson.version)
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpCommand(
      new Command('help')
        .argument('[command]')
        .description('show what a command does, with examples')
        .helpOption(false)
        .helpGroup('For the shell:'),
    )
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  dde up                 run the whole farm here; Ctrl-C stops it',
        '  dde status --watch     how everything is, again and again',
        '  dde backends --help    a command, with examples',
        '  DDE_URL=https://pacs.example:3000 DDE_TOKEN=... dde status',
        '                         a farm elsewhere',
        '',
        'Exit codes: 0 done, 1 failed or found something wrong,',
        '2 something for you to change.',
      ].join('\n'),
    );
  for (const register of commands) register(program, context);
  group(program);
  refuseUnknown(program);
  // Sub-commands made with `.command()` inherit both; those added ready-made do not.
  for (const command of program.commands) command.exitOverride().showSuggestionAfterError();
  return program;
}

/**
 * A topology's problems come as a list too; they are recognised by shape, so that the command line does not load the whole
 * topology code for commands that never read one.
 */
function sentences(error: unknown): readonly string[] {
  if (error instanceof EnvironmentError) return error.problems;
  if (error instanceof Error) return [error.message === '' ? error.name : error.message];
  return [String(error)];
}

/** A request that is not valid says which option is not; it is recognised by its status, as the topology's problems by their name. */
function isUsersTurn(error: unknown): boolean {
  return (
    // Something was typed that cannot be, or a name that nothing has.
    (error instanceof ServiceError && (error.status === 400 || error.status === 404)) ||
    error instanceof UserError ||
    (error instanceof Error && error.name === 'TopologyError')
  );
}
