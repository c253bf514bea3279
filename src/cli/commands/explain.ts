import type { Command } from 'commander';
import { type DecisionAnswer, decisionAnswer, eventAnswer, listOf } from '../../admin/schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { folded, localTime } from '../format.ts';
import type { CliContext } from '../program.ts';
import { findStudy, formerOf, unknownStudy } from './where.ts';

export function registerExplain(program: Command, context: CliContext): void {
  withServiceOptions(program.command('explain <study>'))
    .description(
      'why a study went where it went: every backend considered, its score, why it was passed over',
    )
    .addHelpText('after', '\nExamples:\n  dde explain 1.2.840.113619.2.1')
    .action(async (uid: string, options: ServiceOptions) => {
      const service = connectService(context, options);
      const study = await findStudy(service, uid);
      if (study === null) {
        unknownStudy(context, uid);
        return;
      }
      const path = `/api/v1/studies/${encodeURIComponent(uid)}`;
      const [decisions, events] = await Promise.all([
        service.get(`${path}/decisions`, listOf(decisionAnswer)),
        service.get(`${path}/events`, listOf(eventAnswer)),
      ]);
      if (options.json === true) {
        context.out.json({ study, decisions: decisions.items, events: events.items });
        return;
      }
      for (const decision of decisions.items) print(decision, context);
      if (decisions.items.length === 0) context.out.line('No decision has been made yet.');
      if (study.waiting !== null) context.out.line(folded(`It waits: ${study.waiting}`, context.out.width));
      for (const former of study.formerCopies)
        context.out.line(folded(`Left on ${formerOf(former)}`, context.out.width));
      for (const event of events.items)
        context.out.line(folded(`${localTime(event.at)}  ${event.kind}: ${event.text}`, context.out.width));
    });
}

function print(decision: DecisionAnswer, { out }: CliContext): void {
  const what = decision.backend === null ? decision.kind : `${decision.kind} on ${decision.backend}`;
  out.line(folded(`${localTime(decision.at)}  ${what} (${decision.policy}): ${decision.reason}`, out.width));
  out.line();
  out.table(
    ['BACKEND', 'SCORE', 'WHY NOT', 'FIGURES'],
    decision.considered.map((candidate) => [
      candidate.backend,
      candidate.score === null ? null : String(Number(candidate.score.toPrecision(4))),
      candidate.passedOver ?? 'chosen',
      Object.entries(candidate.inputs)
        .map(([name, value]) => `${name} ${value ?? '–'}`)
        .join(', '),
    ]),
    { right: [1] },
  );
  out.line();
}
