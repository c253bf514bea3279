import type { Command } from 'commander';
import { type JournalAnswer, journalAnswer } from '../../admin/observe-schemas.ts';
import { follow } from '../events/follow.ts';
import { folded, localTime } from '../format.ts';
import type { Output } from '../output.ts';
import { type PageOptions, showPages, withPageOptions } from '../paging.ts';
import type { CliContext } from '../program.ts';

interface EventsOptions extends PageOptions {
  readonly follow?: boolean;
  readonly study?: string;
  readonly backend?: string;
  readonly kind?: string;
}

export function registerEvents(program: Command, context: CliContext): void {
  withPageOptions(program.command('events'), 20)
    .summary('what happened, and what people did')
    .description(
      'what happened to studies beside their way, and what people did: newest first; followed, as it happens',
    )
    .option('-f, --follow', 'first the last ones, oldest first, then each as it happens, until Ctrl-C')
    .option('--study <uid>', 'of this study')
    .option('--backend <name>', 'of this backend, or of a study that is bound to it')
    .option('--kind <kind>', 'of this kind, such as rebind or quarantine-release')
    .addHelpText(
      'after',
      [
        '',
        'Followed with --json, each is one line. A service that goes away is waited for,',
        'and nothing that happened meanwhile is left out.',
        '',
        'Examples:',
        '  dde events',
        '  dde events --follow',
        '  dde events --follow --limit 1 --backend orthanc1 --json',
        '  dde events --study 1.2.840.113619.2.1 --all',
      ].join('\n'),
    )
    .action(async (options: EventsOptions) => {
      const { study, backend, kind } = options;
      const query = { study, backend, kind };
      if (options.follow === true) {
        await follow(context, options, query, (entry) => {
          if (options.json === true) context.out.jsonLine(entry);
          else printEntry(entry, context.out);
        });
        return;
      }
      await showPages(context, options, {
        path: '/api/v1/events',
        item: journalAnswer,
        query,
        none: Object.values(query).some((one) => one !== undefined)
          ? 'Nothing has happened that this asks for.'
          : 'Nothing has happened that would be worth telling.',
        print(entries, out) {
          for (const entry of entries) printEntry(entry, out);
          return undefined;
        },
      });
    });
}

/** No table: a UID beside a sentence leaves room for neither. */
function printEntry({ at, kind, studyInstanceUID, backend, who, text }: JournalAnswer, out: Output): void {
  const about = [who, backend].filter((part) => part !== null);
  out.line([localTime(at), out.colour.bold(kind), ...about].join('  '));
  // What a person did to a study begins with its UID already.
  if (studyInstanceUID !== null && !text.startsWith(studyInstanceUID)) out.line(`    ${studyInstanceUID}`);
  out.line(`    ${folded(text, out.width - 4)}`);
}
