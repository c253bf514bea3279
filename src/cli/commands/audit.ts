import type { Command } from 'commander';
import { auditAnswer } from '../../admin/failover-schemas.ts';
import { folded, localTime } from '../format.ts';
import { type PageOptions, showPages, withPageOptions } from '../paging.ts';
import type { CliContext } from '../program.ts';

export function registerAudit(program: Command, context: CliContext): void {
  withPageOptions(program.command('audit'), 50)
    .description('what people did, newest first')
    .addHelpText('after', '\nExamples:\n  dde audit\n  dde audit --limit 1000 --json\n  dde audit --all')
    .action(async (options: PageOptions) =>
      showPages(context, options, {
        path: '/api/v1/audit',
        item: auditAnswer,
        query: {},
        none: 'Nobody has done anything yet.',
        print(items, out) {
          // No table: a UID beside a sentence leaves room for neither.
          for (const { at, who, action, target, detail } of items) {
            out.line(`${localTime(at)}  ${who}  ${out.colour.bold(action)}`);
            for (const text of [target, detail]) out.line(`    ${folded(text, out.width - 4)}`);
          }
          return undefined;
        },
      }),
    );
}
