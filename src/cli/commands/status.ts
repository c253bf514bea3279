import type { Command } from 'commander';
import { type EvacuationAnswer, evacuationAnswer } from '../../admin/failover-schemas.ts';
import { type FarmAnswer, farmAnswer } from '../../admin/observe-schemas.ts';
import { listOf, type QueueAnswer, queueAnswer } from '../../admin/schemas.ts';
import type { ServiceClient } from '../client.ts';
import { counted, folded, size } from '../format.ts';
import type { Output } from '../output.ts';
import type { CliContext } from '../program.ts';
import { show, type WatchOptions, withWatchOptions } from '../watch.ts';
import { backendHead, backendNews, backendNumbers, backendRow } from './backends.ts';
import { backlog, formerCopies } from './queue.ts';

interface Status {
  readonly queue: QueueAnswer;
  readonly rates: FarmAnswer['rates'];
  readonly modalities: FarmAnswer['modalities'];
  readonly fronts: FarmAnswer['fronts'];
  readonly backends: FarmAnswer['backends'];
  /** Those under way. */
  readonly evacuations: readonly EvacuationAnswer[];
}

export function registerStatus(program: Command, context: CliContext): void {
  withWatchOptions(program.command('status'))
    .summary('the farm at a glance')
    .description('the farm at a glance: what waits, and how every Orthanc is')
    .addHelpText('after', '\nExamples:\n  dde status\n  dde status --watch\n  dde status --json')
    .action(async (options: WatchOptions) => show(context, options, { ask: statusOf, print: printStatus }));
}

async function statusOf(service: ServiceClient): Promise<Status> {
  const [queue, farm, evacuations] = await Promise.all([
    service.get('/api/v1/queue', queueAnswer),
    service.get('/api/v1/farm', farmAnswer),
    service.get('/api/v1/evacuations', listOf(evacuationAnswer)),
  ]);
  const running = evacuations.items.filter((one) => one.state === 'running');
  const { rates, modalities, fronts, backends } = farm;
  return { queue, rates, modalities, fronts, backends, evacuations: running };
}

function printStatus({ queue, rates, fronts, backends, evacuations }: Status, out: Output): void {
  const why = queue.quarantined > 0 ? ': "dde quarantine" says why' : '';
  const headline = `${backlog(queue)}, ${queue.quarantined.toLocaleString('en-US')} in quarantine${why}`;
  out.line(queue.quarantined > 0 ? out.colour.yellow(headline) : out.colour.bold(headline));
  if (rates.inInstances + rates.outInstances > 0) {
    const flow = (images: number, bytes: number): string => `${images.toFixed(1)} images/s, ${size(bytes)}/s`;
    out.line(`in ${flow(rates.inInstances, rates.inBytes)}; out ${flow(rates.outInstances, rates.outBytes)}`);
  }
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
    fronts.map((front) => [
      front.name,
      front.health === 'up' ? 'up' : `${front.health}: ${front.healthReason ?? 'not asked yet'}`,
      front.takesImages ? 'taken' : `refused: ${front.refusing ?? ''}`,
    ]),
  );
  out.line();
  const rows = backends.map((backend) => backendRow(backend, out.colour));
  out.table(backendHead, rows, { right: backendNumbers });
  const now = Date.now();
  for (const backend of backends)
    for (const news of backendNews(backend, now)) out.line(folded(news, out.width));
  for (const backend of queue.backends) {
    if (backend.held !== null)
      out.line(folded(`${backend.backend}: nothing is sent: ${backend.held}`, out.width));
  }
  for (const { backend, moved, studies, waiting } of evacuations) {
    const wait = waiting === null ? '' : `; it waits: ${waiting}`;
    out.line(
      folded(
        `${backend}: being evacuated: ${moved} of ${counted(studies, 'study', 'studies')} moved${wait}`,
        out.width,
      ),
    );
  }
}
