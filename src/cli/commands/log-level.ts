import { type Command, InvalidArgumentError } from 'commander';
import { logLevelAnswer } from '../../admin/log-schemas.ts';
import { type LogLevel, logLevels } from '../../log-levels.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import type { CliContext } from '../program.ts';

const path = '/api/v1/log-level';

export function registerLogLevel(program: Command, context: CliContext): void {
  withServiceOptions(program.command('log-level'))
    .argument('[level]', logLevels.join(', '), levelOf)
    .description(
      'how much the service writes into its log; with a level: from now on, until it is started anew',
    )
    .addHelpText(
      'after',
      [
        '',
        'Levels, each with what those before it write:',
        '  error    what failed',
        '  warn     what may need a person',
        '  info     what happens to each study',
        '  debug    each transfer and each removal',
        '',
        'For good: DDE_LOG_LEVEL in the environment of the service.',
        '',
        'Examples:',
        '  dde log-level',
        '  dde log-level debug',
      ].join('\n'),
    )
    .action(async (level: LogLevel | undefined, options: ServiceOptions) => {
      const service = connectService(context, options);
      const answer =
        level === undefined
          ? await service.get(path, logLevelAnswer)
          : await service.put(path, logLevelAnswer, { level });
      if (options.json === true) context.out.json(answer);
      else context.out.line(answer.level);
    });
}

function levelOf(text: string): LogLevel {
  const level = logLevels.find((one) => one === text);
  if (level === undefined) throw new InvalidArgumentError(`It must be ${logLevels.join(', ')}.`);
  return level;
}
