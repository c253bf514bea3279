import type { Command } from 'commander';
import { evacuationAnswer } from '../../admin/failover-schemas.ts';
import { backendAnswer, frontAnswer, listOf, queueAnswer } from '../../admin/schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { counted, folded } from '../format.ts';
import type { CliContext } from '../program.ts';
import { backendHead, backendNews, backendNumbers, backendRow } from './backends.ts';
import { backlog, formerCopies } from './queue.ts';

export function registerStatus(program: Command, context: CliContext): void {
  withServiceOptions(program.command('status'))
    .description('the farm at a glance: what waits, and how every Orthanc is')
    .addHelpText('after', '\nExamples:\n  dde status\n  dde status --json')
    .action(async (options: ServiceOptions) => {
      const service = connectService(context, options);
      const [queue, fronts, backends, evacuations] = await Promise.all([
        service.get('/api/v1/queue', queueAnswer),
        service.get('/api/v1/fronts', listOf(frontAnswer)),
        service.get('/api/v1/backends', listOf(backendAnswer)),
        service.get('/api/v1/evacuations', listOf(evacuationAnswer)),
      ]);
      const evacuated = evacuations.items.filter((one) => one.state === 'running');
      if (options.json === true) {
        context.out.json({ queue, fronts: fronts.items, backends: backends.items, evacuations: evacuated });
        return;
      }
      const { out } = context;
      const headline = `${backlog(queue)}, ${queue.quarantined.toLocaleString('en-US')} in quarantine`;
      out.line(queue.quarantined > 0 ? out.colour.yellow(headline) : out.colour.bold(headline));
      if (queue.settling > 0) {
        out.line(`${counted(queue.settling, 'image')} proven, on a front until their study settles`);
      }
      if (queue.unplacedStudies > 0)
        out.line(`${counted(queue.unplacedStudies, 'study', 'studies')} not placed yet`);
      const left = formerCopies(queue);
      if (left !== null) out.line(queue.formerConflicts > 0 ? out.colour.yellow(left) : left);
      out.line();
      out.table(
        ['FRONT', 'HEALTH', 'IMAGES'],
        fronts.items.map((front) => [
          front.name,
          front.health === 'up' ? 'up' : `${front.health}: ${front.healthReason ?? 'not asked yet'}`,
          front.takesImages ? 'taken' : `refused: ${front.refusing ?? ''}`,
        ]),
      );
      out.line();
      out.table(backendHead, backends.items.map(backendRow), { right: backendNumbers });
      const now = Date.now();
      for (const backend of backends.items)
        for (const news of backendNews(backend, now)) out.line(folded(news, out.width));
      for (const backend of queue.backends) {
        if (backend.held !== null)
          out.line(folded(`${backend.backend}: nothing is sent: ${backend.held}`, out.width));
      }
      for (const { backend, moved, studies, waiting } of evacuated) {
        const wait = waiting === null ? '' : `; it waits: ${waiting}`;
        out.line(
          folded(
            `${backend}: being evacuated: ${moved} of ${counted(studies, 'study', 'studies')} moved${wait}`,
            out.width,
          ),
        );
      }
    });
}
