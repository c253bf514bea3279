import type { Command } from 'commander';
import {
  discardAnswer,
  type QuarantineAnswer,
  quarantineAnswer,
  releaseAnswer,
  retryAnswer,
} from '../../admin/failover-schemas.ts';
import { UserError } from '../../user-error.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { age, briefly, counted, folded, size } from '../format.ts';
import type { Output } from '../output.ts';
import { type PageOptions, showPages, withPageOptions } from '../paging.ts';
import type { CliContext } from '../program.ts';
import { findQuarantined, isWholeId, missing, pathOf } from '../quarantine/find.ts';
import { saveFile } from '../quarantine/save.ts';

interface InstanceOptions extends ServiceOptions {
  readonly front?: string;
}

/** Gives a command that names one instance its `--front`. */
function withFront(command: Command): Command {
  return withServiceOptions(command).option('--front <name>', 'where it is, when several fronts have it');
}

export function registerQuarantine(program: Command, context: CliContext): void {
  const quarantine = program
    .command('quarantine')
    .summary('what needs a person, and what can be done')
    .description('what cannot be delivered without a person, and what that person can do')
    .addHelpText(
      'after',
      [
        '',
        'An instance is named as the list names it; its first letters are enough.',
        '',
        'Examples:',
        '  dde quarantine',
        '  dde quarantine retry 1.2.840.113619.2.1',
        '  dde quarantine release 1f0e4b7a orthanc2 --replace',
        '  dde quarantine download 1f0e4b7a image.dcm',
        '  dde quarantine discard 1f0e4b7a',
      ].join('\n'),
    );
  registerList(quarantine, context);
  registerRetry(quarantine, context);
  registerRelease(quarantine, context);
  registerDownload(quarantine, context);
  registerDiscard(quarantine, context);
}

function registerList(quarantine: Command, context: CliContext): void {
  withPageOptions(quarantine.command('list', { isDefault: true }), 50)
    .description('list it, oldest first (also without "list")')
    .addHelpText('after', '\nExamples:\n  dde quarantine\n  dde quarantine list --all --json')
    .action(async (options: PageOptions) =>
      showPages(context, options, {
        path: '/api/v1/quarantine',
        item: quarantineAnswer,
        query: {},
        none: 'Nothing is in quarantine.',
        print: list,
      }),
    );
}

function list(items: readonly QuarantineAnswer[], out: Output): undefined {
  const now = Date.now();
  out.table(
    ['FRONT', 'INSTANCE', 'WHY', 'SIZE', 'AGE'],
    items.map((item) => [
      item.front,
      item.orthancId,
      item.code,
      size(item.bytes),
      briefly((now - Date.parse(item.since)) / 1000),
    ]),
    { right: [3, 4] },
  );
  out.line();
  for (const item of items) {
    out.line(
      folded(`${item.orthancId.slice(0, 8)} of study ${item.studyInstanceUID}: ${item.detail}`, out.width),
    );
  }
  out.line();
  for (const [code, advice] of new Map(items.map((item) => [item.code, item.advice]))) {
    out.line(folded(`${code}: ${advice}`, out.width));
  }
}

function registerRetry(quarantine: Command, context: CliContext): void {
  withFront(quarantine.command('retry <study> [instance]'))
    .description('try again where the study is bound: one instance, or all of the study')
    .addHelpText('after', '\nExamples:\n  dde quarantine retry 1.2.840.113619.2.1')
    .action(async (study: string, instance: string | undefined, options: InstanceOptions) => {
      const service = connectService(context, options);
      let orthancId: string | null = null;
      if (instance !== undefined) {
        const found = await findQuarantined(service, instance, options.front ?? null);
        if (found === null) return missing(context, instance);
        orthancId = found.orthancId;
      }
      const { retried } = await service.post('/api/v1/quarantine/retry', retryAnswer, {
        study,
        ...(orthancId === null ? {} : { instance: orthancId }),
      });
      if (options.json === true) context.out.json({ retried });
      else {
        const are = retried === 1 ? 'is' : 'are';
        context.out.line(
          folded(
            `${counted(retried, 'image')} ${are} tried again; "dde where ${study}" says how it went.`,
            context.out.width,
          ),
        );
      }
    });
}

function registerRelease(quarantine: Command, context: CliContext): void {
  withFront(quarantine.command('release <instance> <backend>'))
    .description('send it to this backend now, prove it there, and have the front let go of it')
    .option('--replace', 'other content the backend has under this identifier is deleted there first')
    .addHelpText(
      'after',
      '\nExamples:\n  dde quarantine release 1f0e4b7a orthanc2\n  dde quarantine release 1f0e4b7a orthanc1 --replace',
    )
    .action(
      async (
        instance: string,
        backend: string,
        options: InstanceOptions & { readonly replace?: boolean },
      ) => {
        const service = connectService(context, options);
        const found = await findQuarantined(service, instance, options.front ?? null);
        if (found === null) return missing(context, instance);
        const released = await service.post(
          `${pathOf(found)}/release`,
          releaseAnswer,
          { backend, replace: options.replace === true },
          { patient: true },
        );
        if (options.json === true) context.out.json(released);
        else {
          context.out.line(
            folded(
              `${released.orthancId} is on ${released.backend}, proven by its MD5 ${released.md5}, and gone from ${released.front}.`,
              context.out.width,
            ),
          );
        }
      },
    );
}

function registerDownload(quarantine: Command, context: CliContext): void {
  withFront(quarantine.command('download <instance> [file]'))
    .description('save its DICOM file; default: INSTANCE.dcm in this folder. Nothing is changed')
    .addHelpText('after', '\nExamples:\n  dde quarantine download 1f0e4b7a image.dcm')
    .action(async (instance: string, file: string | undefined, options: InstanceOptions) => {
      const service = connectService(context, options);
      const found = await findQuarantined(service, instance, options.front ?? null);
      if (found === null) return missing(context, instance);
      const saved = await saveFile(
        () => service.download(`${pathOf(found)}/file`),
        context.cwd,
        file ?? `${found.orthancId}.dcm`,
      );
      if (options.json === true) context.out.json(saved);
      else {
        const news = `Saved ${size(saved.bytes)} in ${saved.file}; it holds the patient's data.`;
        context.out.line(folded(news, context.out.width));
      }
    });
}

function registerDiscard(quarantine: Command, context: CliContext): void {
  withFront(quarantine.command('discard <instance>'))
    .description('give it up: it is deleted on the front and cannot be had back; asks first')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExamples:\n  dde quarantine discard 1f0e4b7a\n  dde quarantine discard 1f0e4b7a --yes',
    )
    .action(async (instance: string, options: InstanceOptions & { readonly yes?: boolean }) => {
      const service = connectService(context, options);
      const { out } = context;
      const found = await findQuarantined(service, instance, options.front ?? null);
      const target =
        found ??
        // One that vanished stands in no list; who names it whole, with its front, may take note of it all the same.
        (options.front !== undefined && isWholeId(instance)
          ? { front: options.front, orthancId: instance.toLowerCase() }
          : null);
      if (target === null) return missing(context, instance);
      const loss = found === null ? null : lossOf(found);
      if (options.yes !== true) {
        if (loss !== null) for (const line of loss) out.note(folded(line, out.width));
        const yes = options.json === true ? null : await context.confirm('Give it up for good?');
        if (yes === null) throw new UserError('Nobody can be asked here: say --yes to discard it.');
        if (!yes) {
          out.note('Nothing was discarded.');
          context.exitWith(1);
          return;
        }
      }
      const discarded = await service.post(
        `${pathOf(target)}/discard`,
        discardAnswer,
        { confirm: true },
        { patient: true },
      );
      if (options.json === true) out.json(discarded);
      else out.line(`${target.orthancId} of ${target.front} is given up.`);
    });
}

/** What a person should read before saying yes. */
function lossOf(item: QuarantineAnswer): readonly string[] {
  return [
    `Lost for good: 1 image, ${size(item.bytes)}, in quarantine as ${item.code} for ${age(item.since, Date.now())}.`,
    `instance ${item.orthancId} on ${item.front}`,
    `SOP      ${item.sopInstanceUID}`,
    `study    ${item.studyInstanceUID}`,
    `because  ${item.detail}`,
  ];
}
