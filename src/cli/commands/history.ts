import { type Command, Option } from 'commander';
import { historyAnswer, historyResolutions } from '../../admin/schemas.ts';
import { localTime, size } from '../format.ts';
import { type PageOptions, showPages, withPageOptions } from '../paging.ts';
import type { CliContext } from '../program.ts';
import { isoOf } from '../times.ts';

interface HistoryOptions extends PageOptions {
  readonly orthanc?: string;
  readonly from?: string;
  readonly to?: string;
  readonly resolution?: string;
}

export function registerHistory(program: Command, context: CliContext): void {
  withPageOptions(program.command('history'), 100)
    .summary('load and transfers over time')
    .description('load and transfers of every Orthanc over time')
    .option('--orthanc <name>', 'of this front or backend only')
    .option(
      '--from <time>',
      'such as 2026-11-24T08:00:00Z, or 2h: two hours ago; default: an hour before --to',
      isoOf,
    )
    .option('--to <time>', 'default: now', isoOf)
    .addOption(
      new Option('--resolution <name>', 'default: by the length of time').choices([...historyResolutions]),
    )
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  dde history --orthanc orthanc1 --resolution minute',
        '  dde history --from 7d --all --json',
      ].join('\n'),
    )
    .action(async (options: HistoryOptions) => {
      const { orthanc, from, to, resolution } = options;
      await showPages(context, options, {
        path: '/api/v1/history',
        item: historyAnswer,
        query: { orthanc, from, to, resolution },
        none: 'Nothing was recorded in this time.',
        print: (points, out, after) =>
          out.table(
            ['TIME', 'ORTHANC', 'UP', 'LATENCY', 'SENT', 'SIZE', 'HOLDS', 'DISK'],
            points.map((point) => [
              localTime(point.at),
              point.orthanc,
              `${Math.round(point.up * 100)} %`,
              point.latencyMs === null ? null : `${point.latencyMs.toFixed(1)} ms`,
              point.transferredInstances,
              size(point.transferredBytes),
              point.instances,
              size(point.diskBytes),
            ]),
            { right: [2, 3, 4, 5, 6, 7], ...(after === undefined ? {} : { after }) },
          ),
      });
    });
}
