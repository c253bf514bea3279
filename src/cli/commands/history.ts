import { type Command, Option } from 'commander';
import { historyAnswer, historyResolutions, pageOf } from '../../admin/schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { localTime, size } from '../format.ts';
import type { CliContext } from '../program.ts';

interface HistoryOptions extends ServiceOptions {
  readonly orthanc?: string;
  readonly from?: string;
  readonly to?: string;
  readonly resolution?: string;
  readonly limit: string;
  readonly cursor?: string;
}

export function registerHistory(program: Command, context: CliContext): void {
  withServiceOptions(program.command('history'))
    .description('load and transfers of every Orthanc over time')
    .option('--orthanc <name>', 'of this front or backend only')
    .option('--from <time>', 'such as 2026-11-24T08:00:00Z; default: an hour before --to')
    .option('--to <time>', 'default: now')
    .addOption(
      new Option('--resolution <name>', 'default: by the length of time').choices([...historyResolutions]),
    )
    .option('--limit <n>', 'at most this many points, 1 to 1000', '100')
    .option('--cursor <text>', 'go on after the page that named it')
    .addHelpText('after', '\nExamples:\n  dde history --orthanc orthanc1 --resolution minute')
    .action(async (options: HistoryOptions) => {
      const { service: _service, tokenFile: _file, json, ...query } = options;
      const page = await connectService(context, options).get(
        '/api/v1/history',
        pageOf(historyAnswer),
        query,
      );
      if (json === true) {
        context.out.json(page);
        return;
      }
      context.out.table(
        ['TIME', 'ORTHANC', 'UP', 'LATENCY', 'SENT', 'SIZE', 'HOLDS', 'DISK'],
        page.items.map((point) => [
          localTime(point.at),
          point.orthanc,
          `${Math.round(point.up * 100)} %`,
          point.latencyMs === null ? null : `${point.latencyMs.toFixed(1)} ms`,
          point.transferredInstances,
          size(point.transferredBytes),
          point.instances,
          size(point.diskBytes),
        ]),
        { right: [2, 3, 4, 5, 6, 7] },
      );
      if (page.next !== null) context.out.note(`More: --cursor ${page.next}`);
    });
}
