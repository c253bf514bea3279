import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  type ChangedBackendAnswer,
  changedBackendAnswer,
  echoAnswer,
  removedAnswer,
} from '../../admin/steer-schemas.ts';
import { systemCode, UserError } from '../../user-error.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { folded } from '../format.ts';
import type { CliContext } from '../program.ts';

interface SettingOptions extends ServiceOptions {
  readonly url?: string;
  readonly peerUrl?: string;
  readonly publicUrl?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly passwordEnv?: string;
  readonly weight?: string;
  readonly lanes?: string;
  readonly disk?: string;
  readonly yes?: boolean;
}

/** Backends that come, change and go, and whether one is reached. */
export function registerSteering(backends: Command, context: CliContext): void {
  const { out } = context;
  const pathOf = (name: string): string => `/api/v1/backends/${encodeURIComponent(name)}`;

  withSettings(backends.command('add <name>'))
    .description('add one to the topology: it takes studies as soon as it answers')
    .addHelpText(
      'after',
      [
        '',
        'The fronts have it as a peer at once, without a restart. A password is kept in a',
        "file of its own in the service's state folder, and is never shown again.",
        '',
        'Examples:',
        '  dde backends add orthanc3 --url http://10.0.0.3:8042 --password-file pw',
        '  dde backends add orthanc3 --url http://10.0.0.3:8042 --password-env PW3',
      ].join('\n'),
    )
    .action(async (name: string, options: SettingOptions) => {
      if (options.url === undefined)
        throw new UserError('--url is missing: how the service and the fronts reach it.');
      const body = { name, ...settingsOf(context, options) };
      const added = await connectService(context, options).post(
        '/api/v1/backends',
        changedBackendAnswer,
        body,
      );
      show(context, options, added, `${name} is in the topology`);
    });

  withSettings(backends.command('set <name>'))
    .description('change what the topology says of one; "default" as a value: as if it were not there')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      [
        '',
        'With --url it must be the same Orthanc at another address: what was delivered is',
        'looked for there.',
        '',
        'Examples:',
        '  dde backends set orthanc3 --lanes 4 --disk "2 TB"',
        '  dde backends set orthanc3 --url http://10.0.0.33:8042',
      ].join('\n'),
    )
    .action(async (name: string, options: SettingOptions) => {
      const settings = settingsOf(context, options);
      if (Object.keys(settings).length === 0)
        throw new UserError('Nothing to change: name at least one setting.');
      const moves = options.url !== undefined;
      const question = `Is ${options.url ?? ''} the same Orthanc, with all it holds, at another address?`;
      if (moves && !(await agreed(context, options, question))) return;
      const changed = await connectService(context, options).put(
        pathOf(name),
        changedBackendAnswer,
        settings,
      );
      show(context, options, changed, `${name} is changed`);
    });

  withServiceOptions(backends.command('remove <name>'))
    .description(
      'drain one, and take it out of the topology if nothing is bound to it; what it holds stays there',
    )
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      [
        '',
        'It is refused while studies are bound to it that are not through; "dde evacuate"',
        'moves everything elsewhere first. Without that, what it holds is reached only at',
        'its own address afterwards; one that this farm runs itself is stopped, and its',
        'storage kept.',
        '',
        'Examples:',
        '  dde backends remove orthanc3',
        '  dde backends remove orthanc3 --yes --json',
      ].join('\n'),
    )
    .action(async (name: string, options: ServiceOptions & { readonly yes?: boolean }) => {
      const question = `Take ${name} out of the topology? What it holds stays there, and is not found from here any more.`;
      if (!(await agreed(context, options, question))) return;
      const removed = await connectService(context, options).delete(pathOf(name), removedAnswer, {
        confirm: true,
      });
      if (options.json === true) out.json(removed);
      else out.line(`${name} is out of the topology; the fronts do not know it any more.`);
    });

  withServiceOptions(backends.command('echo <name>'))
    .description(
      'is it reached: from the service, from each front as a peer, over DICOM; exit code 1 when not',
    )
    .addHelpText('after', '\nExamples:\n  dde backends echo orthanc1')
    .action(async (name: string, options: ServiceOptions) => {
      const echo = await connectService(context, options).post(`${pathOf(name)}/echo`, echoAnswer, undefined);
      if (!echo.ok) context.exitWith(1);
      if (options.json === true) {
        out.json(echo);
        return;
      }
      const word = (ok: boolean): string => (ok ? 'yes' : 'no');
      const { rest, dicom, seconds } = echo;
      const time = seconds === null ? '' : `, ${Math.round(seconds * 1000)} ms`;
      out.table(
        ['FROM', 'BY', 'REACHED', 'DETAIL'],
        [
          ['service', 'REST', word(rest.ok), rest.detail + time],
          ...echo.peer.map(({ front, ok, detail }) => [front, 'peer', word(ok), detail]),
          dicom === null
            ? ['a front', 'DICOM', '–', 'the topology does not know its DICOM port']
            : ['a front', 'DICOM', word(dicom.ok), dicom.detail],
        ],
      );
    });
}

function withSettings(command: Command): Command {
  return withServiceOptions(command)
    .option('--url <url>', 'how the service and the fronts reach it')
    .option('--peer-url <url>', 'how the fronts reach it, where that is another address')
    .option('--public-url <url>', "how a person's browser reaches it")
    .option('--username <name>', 'user of its REST API')
    .option('--password-file <file>', "file with that user's password, read here")
    .option('--password-env <name>', 'variable of the service that carries the password')
    .option('--weight <weight>', 'share of new studies: 1 = 100 %')
    .option('--lanes <n>', 'transfers at a time')
    .option('--disk <size>', 'space its images may fill, such as "2 TB"');
}

/** The body of a request. @throws UserError with what cannot be sent */
function settingsOf(context: CliContext, options: SettingOptions): Readonly<Record<string, unknown>> {
  if (options.passwordFile !== undefined && options.passwordEnv !== undefined)
    throw new UserError('Name --password-file or --password-env, not both.');
  const orDefault = (value: string | undefined): string | null | undefined =>
    value === 'default' ? null : value;
  const all = {
    url: options.url,
    peerUrl: orDefault(options.peerUrl),
    publicUrl: orDefault(options.publicUrl),
    username: orDefault(options.username),
    password: options.passwordFile === undefined ? undefined : passwordIn(context, options.passwordFile),
    passwordEnv: options.passwordEnv,
    weight: numberOf('--weight', orDefault(options.weight)),
    lanes: numberOf('--lanes', orDefault(options.lanes)),
    disk: orDefault(options.disk),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function numberOf(option: string, text: string | null | undefined): number | null | undefined {
  if (text === null || text === undefined) return text;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new UserError(`${option} is "${text}", but must be a number, or "default".`);
  return value;
}

function passwordIn({ cwd }: CliContext, name: string): string {
  const file = resolve(cwd, name);
  try {
    const password = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    if (password === '') throw new UserError(`The password file ${file} is empty.`);
    return password;
  } catch (error) {
    const code = systemCode(error);
    if (code === null) throw error;
    throw new UserError(`The password file ${file} cannot be read (${code}).`, { cause: error });
  }
}

/** Whether the person says yes; without one, `--yes` must have been said. */
async function agreed(
  context: CliContext,
  options: { readonly yes?: boolean; readonly json?: boolean },
  question: string,
): Promise<boolean> {
  if (options.yes === true) return true;
  const yes = options.json === true ? null : await context.confirm(folded(question, context.out.width));
  if (yes === null) throw new UserError('Nobody can be asked here: say --yes to do it.');
  if (!yes) {
    context.out.note('Nothing was changed.');
    context.exitWith(1);
  }
  return yes;
}

function show(
  { out }: CliContext,
  options: ServiceOptions,
  changed: ChangedBackendAnswer,
  what: string,
): void {
  if (options.json === true) {
    out.json(changed);
    return;
  }
  const waiting = changed.peers.filter(({ ok }) => !ok);
  const fronts = changed.peers.length - waiting.length;
  out.line(folded(`${what}: ${changed.url}, weight ${changed.weight}, ${changed.lanes} lanes.`, out.width));
  out.line(`Fronts that have it as a peer: ${fronts} of ${changed.peers.length}.`);
  for (const { detail } of waiting) if (detail !== null) out.line(folded(detail, out.width));
}
