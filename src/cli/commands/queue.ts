import type { Command } from 'commander';
import { type QueueAnswer, queueAnswer } from '../../admin/schemas.ts';
import { age, counted, duration, folded, size } from '../format.ts';
import type { Output } from '../output.ts';
import type { CliContext } from '../program.ts';
import { show, type WatchOptions, withWatchOptions } from '../watch.ts';

/** `12 images waiting (4.1 MB), oldest 12 s`. */
export function backlog(queue: Pick<QueueAnswer, 'instances' | 'bytes' | 'oldestAgeSeconds'>): string {
  const oldest = queue.oldestAgeSeconds === null ? '' : `, oldest ${duration(queue.oldestAgeSeconds)}`;
  const bytes = queue.instances === 0 ? '' : ` (${size(queue.bytes)})`;
  return `${counted(queue.instances, 'image')} waiting${bytes}${oldest}`;
}

/** `3 former copies to move or delete, 1 in conflict: "dde heal" lists them`; null where there are none. */
export function formerCopies(queue: Pick<QueueAnswer, 'formerCopies' | 'formerConflicts'>): string | null {
  if (queue.formerCopies === 0) return null;
  const conflicts =
    queue.formerConflicts === 0 ? '' : `, ${queue.formerConflicts.toLocaleString('en-US')} in conflict`;
  return `${counted(queue.formerCopies, 'former copy', 'former copies')} to move or delete${conflicts}: "dde heal" lists them`;
}

export function registerQueue(program: Command, context: CliContext): void {
  withWatchOptions(program.command('queue'))
    .summary('what waits, since when, and why')
    .description('what waits for each backend, since when, and why')
    .addHelpText('after', '\nExamples:\n  dde queue\n  dde queue --watch --interval 1\n  dde queue --json')
    .action(async (options: WatchOptions) =>
      show(context, options, {
        ask: (service) => service.get('/api/v1/queue', queueAnswer),
        print: printQueue,
      }),
    );
}

function printQueue(queue: QueueAnswer, out: Output): void {
  out.line(backlog(queue));
  if (queue.unplacedStudies > 0)
    out.line(`${counted(queue.unplacedStudies, 'study', 'studies')} not placed yet`);
  const left = formerCopies(queue);
  if (left !== null) out.line(left);
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
      out.line(folded(`${backend.backend}: last failure: ${backend.lastFailure}`, out.width));
  }
}
