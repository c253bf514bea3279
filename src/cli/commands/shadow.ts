import type { Command } from 'commander';
import { type ComparisonAnswer, type ShadowAnswer, shadowAnswer } from '../../admin/shadow-schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { counted, folded, localTime } from '../format.ts';
import type { CliContext } from '../program.ts';
import { isoOf } from '../times.ts';

interface ShadowOptions extends ServiceOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
}

export function registerShadow(program: Command, context: CliContext): void {
  withServiceOptions(program.command('shadow'))
    .summary('what the policy on trial would have done otherwise')
    .description('what the policy on trial (routing.shadow) would have done otherwise; it moves nothing')
    .option(
      '--from <time>',
      'such as 2026-11-24T08:00:00Z, or 2h: two hours ago; default: 24 hours before --to',
      isoOf,
    )
    .option('--to <time>', 'default: now', isoOf)
    .option('--limit <n>', 'list at most this many studies that would have gone elsewhere', '10')
    .addHelpText('after', '\nExamples:\n  dde shadow\n  dde shadow --from 7d --json')
    .action(async (options: ShadowOptions) => {
      const { service: _service, tokenFile: _file, json, ...query } = options;
      const answer = await connectService(context, options).get('/api/v1/shadow', shadowAnswer, query);
      if (json === true) context.out.json(answer);
      else print(answer, context);
    });
}

function print(answer: ShadowAnswer, { out }: CliContext): void {
  const { comparisons, differing, leftOut, notKept } = answer;
  if (answer.shadow === null)
    out.note('No policy is on trial now; "routing.shadow" in the topology names one.');
  if (comparisons.length === 0) out.line('Nothing has been compared in this time.');
  for (const comparison of comparisons) printComparison(comparison, { out });
  if (differing.length > 0) {
    out.line('Would have gone elsewhere, the newest first:');
    out.line();
    out.table(
      ['STUDY', 'AT', 'WENT TO', 's', 'SHADOW', 's'],
      differing.map((one) => [
        one.studyInstanceUID,
        localTime(one.at),
        one.backend,
        seconds(one.seconds),
        shadowText(one),
        seconds(one.shadowSeconds),
      ]),
      { right: [3, 5] },
    );
  }
  if (leftOut + notKept > 0)
    out.note(`Since the start ${counted(leftOut + notKept, 'study', 'studies')} could not be compared.`);
}

function printComparison(one: ComparisonAnswer, { out }: Pick<CliContext, 'out'>): void {
  const parts = [
    `${percent(one.agreement)} to the same backend`,
    one.otherBackend > 0 ? `${one.otherBackend} to another` : null,
    one.wouldWait > 0 ? `${one.wouldWait} would have waited` : null,
    one.failed > 0 ? `${one.failed} times it failed` : null,
  ].filter((part) => part !== null);
  const studies = counted(one.studies, 'study', 'studies');
  out.line(folded(`${one.shadow} beside ${one.policy}, ${studies}: ${parts.join(', ')}.`, out.width));
  if (one.seconds !== null && one.shadowSeconds !== null) {
    out.line(
      folded(
        `Expected until available, on average: ${seconds(one.seconds)} s where it went, ${seconds(one.shadowSeconds)} s with ${one.shadow}, by the same model.`,
        out.width,
      ),
    );
  }
  out.line();
  out.table(
    ['BACKEND', one.policy.toUpperCase(), one.shadow.toUpperCase(), 'BOTH'],
    one.backends.map(({ backend, policy, shadow, both }) => [backend, policy, shadow, both]),
    { right: [1, 2, 3] },
  );
  out.line();
}

function shadowText({ shadowKind, shadowBackend, reason }: ShadowAnswer['differing'][number]): string {
  if (shadowKind === 'failed') return `failed: ${reason}`;
  return shadowKind === 'wait' ? `waits for ${shadowBackend ?? 'any'}` : (shadowBackend ?? '–');
}

function percent(share: number | null): string {
  if (share === null) return '–';
  // Never 100 % where one of them differed, never 0 % where one agreed.
  const rounded = Math.round(share * 100);
  return `${share < 1 ? Math.min(99, share > 0 ? Math.max(1, rounded) : 0) : 100} %`;
}

function seconds(value: number | null): string | null {
  return value === null ? null : value.toFixed(value < 0.995 ? 2 : 1);
}
