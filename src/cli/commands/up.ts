import type { Command } from 'commander';
import { readEnvironment } from '../../environment.ts';
import type { CliContext } from '../program.ts';

export function registerUp(program: Command, context: CliContext): void {
  program
    .command('up')
    .summary('run the whole farm here')
    .description(
      'run the whole farm here: front, backends and the service; Ctrl-C stops it in order, losing nothing',
    )
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  dde up',
        '        the farm of orthanc-config/topology.yaml, state in .dde/',
        '  DDE_HOME=/data/dde dde up',
        '        state elsewhere',
        '  DDE_ORTHANC=/opt/orthanc/Orthanc dde up',
        '        another version of Orthanc',
      ].join('\n'),
    )
    .action(async () => {
      const { up } = await import('../../farm/up.ts');
      context.exitWith(await up(() => readEnvironment(context.env, context.cwd), context.out));
    });
}
