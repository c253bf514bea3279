import type { Command } from 'commander';
import { reboundAnswer } from '../../admin/failover-schemas.ts';
import { UserError } from '../../user-error.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { folded } from '../format.ts';
import type { CliContext } from '../program.ts';

interface RebindOptions extends ServiceOptions {
  readonly copy: string;
}

export function registerRebind(program: Command, context: CliContext): void {
  withServiceOptions(program.command('rebind <study> [backend]'))
    .summary('bind a study to another backend, whole')
    .description(
      'bind a study to another backend, whole; what the former one has is moved, proven and deleted by itself',
    )
    .option('--copy <n>', 'which copy of the study, counted from 0', '0')
    .addHelpText(
      'after',
      [
        '',
        'Without a backend the policy chooses one.',
        '',
        'Examples:',
        '  dde rebind 1.2.840.113619.2.1            wherever it is best',
        '  dde rebind 1.2.840.113619.2.1 orthanc2',
        '  dde heal 1.2.840.113619.2.1              how far the rest is',
      ].join('\n'),
    )
    .action(async (study: string, backend: string | undefined, options: RebindOptions) => {
      if (!/^\d{1,2}$/.test(options.copy)) {
        throw new UserError(`--copy is "${options.copy}", but must be a whole number, counted from 0.`);
      }
      const bound = await connectService(context, options).post(
        `/api/v1/studies/${encodeURIComponent(study)}/rebind`,
        reboundAnswer,
        { backend: backend ?? null, copy: Number(options.copy) },
      );
      const { out } = context;
      if (options.json === true) {
        out.json(bound);
        return;
      }
      out.line(
        folded(
          `${bound.studyInstanceUID} is bound to ${bound.backend} now (epoch ${bound.epoch}).`,
          out.width,
        ),
      );
      out.line(
        folded(
          `What the former backend has of it is moved there, proven and deleted by itself; "dde heal ${bound.studyInstanceUID}" shows how far that is.`,
          out.width,
        ),
      );
    });
}
