import type { Command } from 'commander';
import type { CliContext } from '../program.ts';

export function registerGenerate(program: Command, context: CliContext): void {
  program
    .command('generate')
    .summary('write what follows from the topology')
    .description(
      'write the Orthanc configurations, the Lua hook and the compose environment from the topology',
    )
    .option('--check', 'write nothing; exit code 1 when a file is not what the topology says')
    .option('--json', 'print JSON for programs')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  dde generate            after every change of orthanc-config/topology.yaml',
        '  dde generate --check    in CI',
      ].join('\n'),
    )
    .action(async (options: { readonly check?: boolean; readonly json?: boolean }) => {
      const { prepareFiles } = await import('../../farm/generated.ts');
      const files = prepareFiles(context.environment());
      if (options.check === true) {
        const stale = files.stale();
        if (stale.length > 0) context.exitWith(1);
        if (options.json === true) {
          context.out.json({ files: files.count, stale });
          return;
        }
        for (const file of stale) context.out.line(`${file} is not what ${files.topologyFile} says`);
        if (stale.length > 0) {
          context.out.note('Run: dde generate');
        } else context.out.line(`All ${files.count} generated files are what ${files.topologyFile} says.`);
        return;
      }
      const written = files.write();
      if (options.json === true) {
        context.out.json({ files: files.count, written });
        return;
      }
      for (const file of written) context.out.line(`wrote ${file}`);
      if (written.length === 0)
        context.out.line(`Nothing to do: all ${files.count} generated files are up to date.`);
    });
}
