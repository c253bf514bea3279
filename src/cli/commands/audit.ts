import type { Command } from 'commander';
import { auditAnswer } from '../../admin/failover-schemas.ts';
import { pageOf } from '../../admin/schemas.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { folded, localTime } from '../format.ts';
import type { CliContext } from '../program.ts';

interface AuditOptions extends ServiceOptions {
  readonly limit: string;
  readonly cursor?: string;
}

export function registerAudit(program: Command, context: CliContext): void {
  withServiceOptions(program.command('audit'))
    .description('what people did, newest first')
    .option('--limit <n>', 'at most this many, 1 to 1000', '50')
    .option('--cursor <text>', 'go on after the page that named it')
    .addHelpText('after', '\nExamples:\n  dde audit\n  dde audit --limit 1000 --json')
    .action(async (options: AuditOptions) => {
      const { service: _service, tokenFile: _file, json, ...query } = options;
      const page = await connectService(context, options).get('/api/v1/audit', pageOf(auditAnswer), query);
      const { out } = context;
      if (json === true) {
        out.json(page);
        return;
      }
      if (page.items.length === 0) {
        out.line('Nobody has done anything yet.');
        return;
      }
      // No table: a UID beside a sentence leaves room for neither.
      for (const { at, who, action, target, detail } of page.items) {
        out.line(`${localTime(at)}  ${who}  ${out.colour.bold(action)}`);
        for (const text of [target, detail]) out.line(`    ${folded(text, out.width - 4)}`);
      }
      if (page.next !== null) out.note(`More: --cursor ${page.next}`);
    });
}
