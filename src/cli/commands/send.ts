import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Presets, SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import type { StudyAnswer } from '../../admin/schemas.ts';
import { UserError } from '../../user-error.ts';
import { connectService, type ServiceClient, type ServiceOptions, withServiceOptions } from '../client.ts';
import { counted, folded } from '../format.ts';
import type { CliContext } from '../program.ts';
import { uploadAll } from '../send/upload.ts';
import { walk } from '../send/walk.ts';
import { findStudy } from './where.ts';

interface SendOptions extends ServiceOptions {
  /** Seconds as text; false: --no-wait. */
  readonly wait: string | false;
}

const pollMs = 250;

export function registerSend(program: Command, context: CliContext): void {
  withServiceOptions(program.command('send <path...>'))
    .summary('send files through a front, and see what went where')
    .description('send DICOM files and folders of them to a front, and say where each study went')
    .option('--wait <seconds>', 'how long to wait until every study is proven on its backend', '60')
    .option('--no-wait', 'end when the front has taken the files')
    .addHelpText(
      'after',
      '\nExamples:\n  dde send scan.dcm\n  dde send /media/cdrom --wait 300\n  dde send exports --json',
    )
    .action(async (paths: string[], options: SendOptions) => {
      const seconds = options.wait === false ? 0 : Number(options.wait);
      if (!Number.isFinite(seconds) || seconds < 0)
        throw new UserError('--wait must be a number of seconds, such as 60.');
      const { out } = context;
      const service = connectService(context, options);
      const found = await walk(paths.map((path) => resolve(context.cwd, path)));
      const bar =
        out.tty && options.json !== true
          ? new SingleBar({ format: '{bar} {value}/{total} files' }, Presets.shades_classic)
          : null;
      bar?.start(found.files.length, 0);
      const sent = await uploadAll(service, found.files, () => bar?.increment()).finally(() => bar?.stop());
      const studies = await whereabouts(service, sent.studies, seconds * 1000);
      const notTaken = [...found.unreadable, ...sent.refused];
      const rows = [...sent.studies].map(([studyInstanceUID, instances]) => {
        const study = studies.get(studyInstanceUID) ?? null;
        return {
          studyInstanceUID,
          backend: study?.backend ?? null,
          images: instances.size,
          proven: isProven(study, instances.size),
          state: study?.state ?? null,
          waiting: study?.waiting ?? null,
        };
      });
      const unproven = options.wait !== false && rows.some((row) => !row.proven);
      if (notTaken.length > 0 || unproven) context.exitWith(1);
      if (options.json === true) {
        const { taken, alreadyStored, unknownStudy, skipped } = sent;
        out.json({ taken, alreadyStored, unknownStudy, studies: rows, notTaken, skipped });
        return;
      }
      out.line(
        `${counted(sent.taken, 'file')} taken, ${notTaken.length} not taken, ${sent.skipped.length} left out`,
      );
      if (rows.length > 0) {
        out.line();
        out.table(
          ['STUDY', 'BACKEND', 'IMAGES', 'STATE'],
          rows.map((row) => [
            row.studyInstanceUID,
            row.backend,
            row.images,
            row.state ?? 'not announced yet',
          ]),
          { right: [2] },
        );
        for (const row of rows)
          if (row.waiting !== null)
            out.line(folded(`${row.studyInstanceUID} waits: ${row.waiting}`, out.width));
      }
      if (sent.alreadyStored > 0) {
        out.line();
        out.line(
          folded(
            `${counted(sent.alreadyStored, 'file')} had an identifier that the front held already: it keeps the content it has.`,
            out.width,
          ),
        );
      }
      const others = [...notTaken, ...sent.skipped];
      if (others.length > 0) {
        out.line();
        out.table(
          ['NOT TAKEN', 'WHY'],
          others.map(({ path, reason }) => [path, reason]),
        );
      }
    });
}

/** Study → what the service last said of it; null: nothing yet. Asks until each has ended or the time is up, once at least. */
async function whereabouts(
  service: ServiceClient,
  sent: ReadonlyMap<string, ReadonlySet<string>>,
  limitMs: number,
): Promise<ReadonlyMap<string, StudyAnswer | null>> {
  const known = new Map<string, StudyAnswer | null>();
  const end = performance.now() + limitMs;
  const open = (): string[] =>
    [...sent].filter(([uid, { size }]) => !hasEnded(known.get(uid) ?? null, size)).map(([uid]) => uid);
  for (;;) {
    for (const uid of open()) known.set(uid, await findStudy(service, uid));
    if (open().length === 0 || performance.now() >= end) return known;
    await wait(pollMs);
  }
}

/** What is `healing` is proven where it is bound; only what another backend has of it is still to be moved or deleted. */
const ends: ReadonlySet<StudyAnswer['state']> = new Set(['verified', 'healing', 'removed', 'quarantined']);

/** Nothing more will come of waiting: all that was sent is accounted for. Fewer are known while announcements are on their way. */
function hasEnded(study: StudyAnswer | null, images: number): boolean {
  return study !== null && study.instances.received >= images && ends.has(study.state);
}

function isProven(study: StudyAnswer | null, images: number): boolean {
  return hasEnded(study, images) && study?.state !== 'quarantined';
}
