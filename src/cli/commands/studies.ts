import { type Command, Option } from 'commander';
import { type StudyAnswer, studyAnswer, studyStates } from '../../admin/schemas.ts';
import { briefly, folded, size } from '../format.ts';
import type { Output } from '../output.ts';
import { type PageOptions, showPages, withPageOptions } from '../paging.ts';
import type { CliContext } from '../program.ts';
import { isoOf } from '../times.ts';

interface StudiesOptions extends PageOptions {
  readonly uid?: string;
  readonly accession?: string;
  readonly backend?: string;
  readonly state?: string;
  readonly modality?: string;
  readonly station?: string;
  readonly aet?: string;
  readonly since?: string;
  readonly until?: string;
}

export function registerStudies(program: Command, context: CliContext): void {
  withPageOptions(program.command('studies'), 20)
    .description('list studies, newest news first')
    .option('--uid <beginning>', 'whose StudyInstanceUID begins so')
    .option('--accession <number>', 'with this accession number, where the topology allows to ask for it')
    .option('--backend <name>', 'bound to this backend')
    .addOption(new Option('--state <state>', 'in this state').choices([...studyStates]))
    .option('--modality <code>', 'such as CT')
    .option('--station <name>', 'station name')
    .option('--aet <title>', 'AE title that sent them')
    .option(
      '--since <time>',
      'with news since then, such as 2026-11-24T08:00:00Z, or 2h: two hours ago',
      isoOf,
    )
    .option('--until <time>', 'with news until then', isoOf)
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  dde studies --backend orthanc1 --state sending',
        '  dde studies --modality CT --limit 100 --json',
        '  dde studies --since 2h --all',
        '  dde studies --uid 1.2.840.113619',
      ].join('\n'),
    )
    .action(async (options: StudiesOptions) => {
      const { uid, accession, backend, state, modality, station, aet, since, until } = options;
      const query = { uid, accession, backend, state, modality, station, aet, since, until };
      await showPages(context, options, {
        path: '/api/v1/studies',
        item: studyAnswer,
        query,
        none: Object.values(query).some((one) => one !== undefined)
          ? 'There is no such study.'
          : 'No front has received a study yet.',
        print: printStudies,
      });
    });
}

function printStudies(
  studies: readonly StudyAnswer[],
  out: Output,
  after: readonly number[] | undefined,
): readonly number[] {
  const now = Date.now();
  const widths = out.table(
    ['STUDY', 'STATE', 'BACKEND', 'MOD', 'IMAGES', 'SIZE', 'NEWS'],
    studies.map((study) => [
      study.studyInstanceUID,
      study.state,
      study.backend,
      study.modality,
      study.instances.received,
      size(study.bytes),
      briefly((now - Date.parse(study.lastNewsAt)) / 1000),
    ]),
    { right: [4, 5, 6], ...(after === undefined ? {} : { after }) },
  );
  for (const study of studies) {
    if (study.waiting !== null)
      out.line(folded(`${study.studyInstanceUID} waits: ${study.waiting}`, out.width));
  }
  return widths;
}
