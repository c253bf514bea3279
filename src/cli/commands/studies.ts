import { type Command, Option } from 'commander';
import { studiesAnswer, studyStates } from '../../admin/schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { age, size } from '../format.ts';
import type { CliContext } from '../program.ts';

interface StudiesOptions extends ServiceOptions {
  readonly backend?: string;
  readonly state?: string;
  readonly modality?: string;
  readonly station?: string;
  readonly aet?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly cursor?: string;
}

export function registerStudies(program: Command, context: CliContext): void {
  withServiceOptions(program.command('studies'))
    .description('list studies, newest news first')
    .option('--backend <name>', 'bound to this backend')
    .addOption(new Option('--state <state>', 'in this state').choices([...studyStates]))
    .option('--modality <code>', 'such as CT')
    .option('--station <name>', 'station name')
    .option('--aet <title>', 'AE title that sent them')
    .option('--since <time>', 'with news since then, such as 2026-11-24T08:00:00Z')
    .option('--until <time>', 'with news until then')
    .option('--limit <n>', 'at most this many, 1 to 1000', '20')
    .option('--cursor <text>', 'go on after the page that named it')
    .addHelpText(
      'after',
      '\nExamples:\n  dde studies --backend orthanc1 --state sending\n  dde studies --modality CT --limit 100 --json',
    )
    .action(async (options: StudiesOptions) => {
      const { service: _service, tokenFile: _file, json, ...filter } = options;
      const page = await connectService(context, options).get('/api/v1/studies', studiesAnswer, filter);
      if (json === true) {
        context.out.json(page);
        return;
      }
      const now = Date.now();
      context.out.table(
        ['STUDY', 'STATE', 'BACKEND', 'MOD', 'IMAGES', 'SIZE', 'NEWS'],
        page.items.map((study) => [
          study.studyInstanceUID,
          study.state,
          study.backend,
          study.modality,
          study.instances.received,
          size(study.bytes),
          age(study.lastNewsAt, now),
        ]),
        { right: [4, 5, 6] },
      );
      for (const study of page.items) {
        if (study.waiting !== null) context.out.line(`${study.studyInstanceUID} waits: ${study.waiting}`);
      }
      if (page.next !== null) context.out.note(`More: --cursor ${page.next}`);
    });
}
