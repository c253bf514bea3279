import type { Command } from 'commander';
import {
  type DecisionAnswer,
  decisionsAnswer,
  type EventAnswer,
  eventAnswer,
  listOf,
  type OutcomeAnswer,
  type WaitAnswer,
} from '../../admin/schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { printConsidered, reckonedWith } from '../explain/considered.ts';
import { age, duration, folded, localTime, size } from '../format.ts';
import type { CliContext } from '../program.ts';
import { findStudy, formerOf, unknownStudy } from './where.ts';

export function registerExplain(program: Command, context: CliContext): void {
  withServiceOptions(program.command('explain <study>'))
    .summary('why a study went where it went, or why it waits')
    .description(
      'why a study went where it went, or why it waits: every backend considered with its figures, what was predicted, what happened',
    )
    .addHelpText(
      'after',
      [
        '',
        'SECONDS until the study is available there: what is ahead of it and its OWN',
        'work, but not before the last of its images. BOOKED: seconds for which the',
        'backend has work then. Least SECONDS + 2 x BOOKED is best. o: time for an',
        'image, r: bytes a second, g: how the backend does at the moment against both',
        '(1: as expected).',
        'A backend without a word about its state was ready and up.',
        '',
        'Examples:',
        '  dde explain 1.2.840.113619.2.1',
        '  dde explain 1.2.840.113619.2.1 --json',
      ].join('\n'),
    )
    .action(async (uid: string, options: ServiceOptions) => {
      const service = connectService(context, options);
      const study = await findStudy(service, uid);
      if (study === null) {
        unknownStudy(context, uid);
        return;
      }
      const path = `/api/v1/studies/${encodeURIComponent(uid)}`;
      const [{ items: decisions, outcomes, waits }, events] = await Promise.all([
        service.get(`${path}/decisions`, decisionsAnswer),
        service.get(`${path}/events`, listOf(eventAnswer)),
      ]);
      const { out } = context;
      if (options.json === true) {
        out.json({ study, decisions, outcomes, waits, events: events.items });
        return;
      }
      for (const [index, decision] of decisions.entries()) {
        // While it waited it was decided again and again: the figures of the last time are enough.
        const later = decisions.slice(index + 1).some(({ copy }) => copy === decision.copy);
        printDecision(decision, decision.kind !== 'waiting' || !later, context);
      }
      if (decisions.length === 0) out.line('No decision has been made yet.');
      for (const outcome of outcomes) printOutcome(outcome, context);
      if (waits !== null) printWait(waits, context);
      else if (study.waiting !== null) out.line(folded(`It waits: ${study.waiting}`, out.width));
      for (const former of study.formerCopies) out.line(folded(`Left on ${formerOf(former)}`, out.width));
      for (const { first, times, last } of gathered(events.items)) {
        const again = times === 1 ? '' : ` (${times} times, the last at ${localTime(last.at)})`;
        out.line(folded(`${localTime(first.at)}  ${first.kind}: ${first.text}${again}`, out.width));
      }
    });
}

interface Gathered {
  readonly first: EventAnswer;
  readonly last: EventAnswer;
  readonly times: number;
}

/** What happened again and again, with nothing else between, is told once. */
function gathered(events: readonly EventAnswer[]): readonly Gathered[] {
  const all: Gathered[] = [];
  for (const event of events) {
    const before = all.at(-1);
    if (before !== undefined && before.last.kind === event.kind && before.last.text === event.text)
      all[all.length - 1] = { ...before, last: event, times: before.times + 1 };
    else all.push({ first: event, last: event, times: 1 });
  }
  return all;
}

function printDecision(decision: DecisionAnswer, withFigures: boolean, { out }: CliContext): void {
  const what = decision.backend === null ? decision.kind : `${decision.kind} on ${decision.backend}`;
  out.line(
    folded(
      `${localTime(decision.at)}  ${out.colour.bold(what)} (${decision.policy}): ${decision.reason}`,
      out.width,
    ),
  );
  if (!withFigures) return;
  const basis = reckonedWith(decision.considered);
  if (basis !== null) out.line(folded(basis, out.width));
  out.line();
  printConsidered(out, decision.considered);
  out.line();
}

function printOutcome({ copy, backend, predicted, happened }: OutcomeAnswer, { out }: CliContext): void {
  const ofCopy = copy === 0 ? '' : `, copy ${copy}`;
  out.table(
    [`ON ${backend.toUpperCase()}${ofCopy}`, 'PREDICTED', 'HAPPENED'],
    [
      ['images', predicted?.instances ?? null, `${happened.instances}, ${happened.proven} proven`],
      ['size', size(predicted?.bytes ?? null), size(happened.bytes)],
      [
        'available, after the decision',
        time(predicted?.seconds ?? null),
        time(happened.seconds) ?? 'not yet',
      ],
      ['available, after the last image', null, time(happened.secondsAfterLastImage) ?? 'not yet'],
    ],
    { right: [1, 2] },
  );
  out.line();
}

function printWait({ reason, since, now }: WaitAnswer, { out }: CliContext): void {
  out.line(folded(`It waits for ${age(since, Date.now())} now: ${reason}`, out.width));
  if (now === null) return;
  const basis = reckonedWith(now);
  out.line(folded(`The backends as they are now.${basis === null ? '' : ` ${basis}`}`, out.width));
  out.line();
  printConsidered(out, now);
  out.line();
}

function time(seconds: number | null): string | null {
  if (seconds === null) return null;
  return seconds < 100 ? `${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s` : duration(seconds);
}
