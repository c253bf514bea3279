import type { Command } from 'commander';
import { pageOf, type QueueAnswer, quarantineAnswer, queueAnswer } from '../../admin/schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { age, counted, duration, size } from '../format.ts';
import type { CliContext } from '../program.ts';

/** `12 images waiting (4.1 MB), oldest 12 s`. */
export function backlog(queue: Pick<QueueAnswer, 'instances' | 'bytes' | 'oldestAgeSeconds'>): string {
  const oldest = queue.oldestAgeSeconds === null ? '' : `, oldest ${duration(queue.oldestAgeSeconds)}`;
  const bytes = queue.instances === 0 ? '' : ` (${size(queue.bytes)})`;
  return `${counted(queue.instances, 'image')} waiting${bytes}${oldest}`;
}

export function registerQueue(program: Command, context: CliContext): void {
  withServiceOptions(program.command('queue'))
    .description('what waits for each backend, since when, and why')
    .addHelpText('after', '\nExamples:\n  dde queue\n  dde queue --json')
    .action(async (options: ServiceOptions) => {
      const queue = await connectService(context, options).get('/api/v1/queue', queueAnswer);
      const { out } = context;
      if (options.json === true) {
        out.json(queue);
        return;
      }
      out.line(backlog(queue));
      if (queue.unplacedStudies > 0)
        out.line(`${counted(queue.unplacedStudies, 'study', 'studies')} not placed yet`);
      if (queue.backends.length === 0) return;
      out.line();
      const now = Date.now();
      out.table(
        ['BACKEND', 'STUDIES', 'IMAGES', 'SIZE', 'SENDING', 'RETRYING', 'OLDEST', 'HELD BACK'],
        queue.backends.map((backend) => [
          backend.backend,
          backend.studies,
          backend.instances,
          size(backend.bytes),
          backend.sending,
          backend.retrying,
          backend.oldestAt === null ? null : age(backend.oldestAt, now),
          backend.held ?? 'no',
        ]),
        { right: [1, 2, 3, 4, 5, 6] },
      );
      for (const backend of queue.backends) {
        if (backend.lastFailure !== null)
          out.line(`${backend.backend}: last failure: ${backend.lastFailure}`);
      }
    });
}

interface PageOptions extends ServiceOptions {
  readonly limit: string;
  readonly cursor?: string;
}

export function registerQuarantine(program: Command, context: CliContext): void {
  withServiceOptions(program.command('quarantine'))
    .description('what cannot be delivered without a person; it stays on its front')
    .option('--limit <n>', 'at most this many, 1 to 1000', '50')
    .option('--cursor <text>', 'go on after the page that named it')
    .addHelpText('after', '\nExamples:\n  dde quarantine')
    .action(async (options: PageOptions) => {
      const { service: _service, tokenFile: _file, json, ...query } = options;
      const page = await connectService(context, options).get(
        '/api/v1/quarantine',
        pageOf(quarantineAnswer),
        query,
      );
      const { out } = context;
      if (json === true) {
        out.json(page);
        return;
      }
      if (page.items.length === 0) {
        out.line('Nothing is in quarantine.');
        return;
      }
      const now = Date.now();
      out.table(
        ['FRONT', 'INSTANCE', 'WHY', 'SIZE', 'AGE'],
        page.items.map((item) => [
          item.front,
          item.orthancId,
          item.code,
          size(item.bytes),
          age(item.since, now),
        ]),
        { right: [3, 4] },
      );
      for (const item of page.items)
        out.line(`${item.orthancId}: ${item.detail} (study ${item.studyInstanceUID})`);
      if (page.next !== null) out.note(`More: --cursor ${page.next}`);
    });
}
