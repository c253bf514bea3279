import type { Command } from 'commander';
import type { z } from 'zod';
import { type FormerCopyAnswer, formerCopiesAnswer, formerCopyAnswer } from '../../admin/failover-schemas.ts';
import { listOf, type StudyAnswer } from '../../admin/schemas.ts';
import { UserError } from '../../user-error.ts';
import { connectService } from '../client.ts';
import { age, counted, folded } from '../format.ts';
import type { Output } from '../output.ts';
import { limitOf } from '../paging.ts';
import type { CliContext } from '../program.ts';
import { show, type WatchOptions, withWatchOptions } from '../watch.ts';
import { findStudy, unknownStudy } from './where.ts';

interface HealOptions extends WatchOptions {
  readonly acceptCurrent?: string;
  readonly limit: number;
}

const whatStatesMean: Readonly<Record<FormerCopyAnswer['state'], string>> = {
  waiting: 'not worked on yet',
  moving: 'being compared, and what is missing copied',
  deleting: 'all of it proven at the new place; being deleted at the former',
  conflict: 'holds other content than the new place; you decide',
};

export function registerHeal(program: Command, context: CliContext): void {
  withWatchOptions(program.command('heal [study]'))
    .summary('what studies left on former backends')
    .description(
      'what studies left on backends they were bound to before, and what becomes of it; settles conflicts',
    )
    .option(
      '--accept-current <backend>',
      'of a conflict: what the study has where it is bound now stands, and what this former backend has is deleted',
    )
    .addHelpText(
      'after',
      [
        '',
        'Healing goes on by itself; only a conflict needs you. Look at both in their',
        'Orthanc Explorers first.',
        '',
        'Examples:',
        '  dde heal                          of all studies, oldest first',
        '  dde heal --watch',
        '  dde heal 1.2.840.113619.2.1',
        '  dde heal 1.2.840.113619.2.1 --accept-current orthanc1',
      ].join('\n'),
    )
    .option('--limit <n>', 'without a study: at most this many, 1 to 1000', limitOf, 50)
    .action(async (uid: string | undefined, options: HealOptions) => {
      const accepted = options.acceptCurrent;
      if (uid === undefined) {
        if (accepted !== undefined) throw new UserError('--accept-current needs the study it is about.');
        await show(context, options, {
          ask: (service) =>
            service.get('/api/v1/former-copies', formerCopiesAnswer, { limit: options.limit }),
          print: printAll,
        });
        return;
      }
      const service = connectService(context, options);
      if (accepted !== undefined) {
        const { items } = await service.post(
          `/api/v1/studies/${encodeURIComponent(uid)}/accept-current`,
          listOf(formerCopyAnswer),
          { backend: accepted },
        );
        if (options.json === true) context.out.json(items);
        else {
          context.out.line(
            folded(
              `Accepted: what the study has now stands; what ${accepted} has of it is deleted as soon as everything is proven.`,
              context.out.width,
            ),
          );
        }
        return;
      }
      const study = await findStudy(service, uid);
      if (study === null) {
        unknownStudy(context, uid);
        return;
      }
      await show(context, options, {
        ask: async (again) => (await findStudy(again, uid)) ?? study,
        print: printStudy,
        json: ({ formerCopies }) => formerCopies,
      });
    });
}

function printAll({ items, more }: z.output<typeof formerCopiesAnswer>, out: Output): void {
  if (items.length === 0) {
    out.line('Every study is on one backend.');
    return;
  }
  const now = Date.now();
  out.table(
    ['STUDY', 'LEFT ON', 'NOW ON', 'STATE', 'SINCE'],
    items.map((former) => [
      former.studyInstanceUID,
      former.backend,
      former.target,
      former.state,
      age(former.since, now),
    ]),
    { right: [4] },
  );
  if (items.some((former) => former.state === 'conflict')) {
    out.line('A conflict waits for you: "dde heal STUDY" says how to settle it.');
  }
  if (more) out.note(`There are more than ${items.length}: --limit shows up to 1000.`);
}

function printStudy(study: StudyAnswer, out: Output): void {
  const { formerCopies } = study;
  const where = study.backend === null ? 'has no backend yet' : `is bound to ${study.backend}`;
  if (formerCopies.length === 0) {
    out.line(`The study ${where}, and has left nothing on any other backend.`);
    return;
  }
  out.line(
    `The study ${where}; on ${counted(formerCopies.length, 'other backend')} something of it is left:`,
  );
  out.line();
  const now = Date.now();
  out.table(
    ['ON', 'STATE', 'SINCE', 'TRIED', 'WHY'],
    formerCopies.map((former) => [
      former.backend,
      former.state,
      age(former.since, now),
      former.attempts,
      former.reason ?? whatStatesMean[former.state],
    ]),
    { right: [2, 3] },
  );
  for (const { state, backend, target } of formerCopies) {
    if (state !== 'conflict') continue;
    out.line();
    out.line(
      folded(
        `Conflict: compare the study on ${backend} with the one on ${target ?? 'its backend'}.`,
        out.width,
      ),
    );
    // Commands stay whole, to be copied.
    out.line('If the latter is right:');
    out.line(`  dde heal ${study.studyInstanceUID} --accept-current ${backend}`);
    out.line(`If ${backend} is right:`);
    out.line(`  dde rebind ${study.studyInstanceUID} ${backend}`);
    out.line(`  dde heal ${study.studyInstanceUID} --accept-current ${target ?? 'BACKEND'}`);
  }
}
