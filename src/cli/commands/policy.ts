import type { Command } from 'commander';
import { type RoutingAnswer, routingAnswer } from '../../admin/steer-schemas.ts';
import { policyNames, queueOrders } from '../../topology/topology.ts';
import { UserError } from '../../user-error.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { folded } from '../format.ts';
import { oneOf } from '../policies.ts';
import type { CliContext } from '../program.ts';

interface SetOptions extends ServiceOptions {
  readonly order?: string;
  readonly shadow?: string;
}

export function registerPolicy(program: Command, context: CliContext): void {
  const { out } = context;
  const policy = program
    .command('policy')
    .summary('how a backend is chosen: show it, change it')
    .description('how a backend is chosen for a study: show it, change it')
    .addHelpText(
      'after',
      [
        '',
        'A change stands in the topology, and counts from the next decision on.',
        '',
        'Examples:',
        '  dde policy                                show it, and what there is',
        '  dde policy set least-in-flight',
        '  dde policy set --order express --shadow expected-completion',
        '  dde policy set --shadow none',
      ].join('\n'),
    );

  withServiceOptions(policy.command('show', { isDefault: true }))
    .description('show it (also without "show")')
    .addHelpText('after', '\nExamples:\n  dde policy\n  dde policy show --json')
    .action(async (options: ServiceOptions) => {
      const routing = await connectService(context, options).get('/api/v1/routing', routingAnswer);
      if (options.json === true) {
        out.json(routing);
        return;
      }
      say(routing);
      out.line();
      const mark = (isIt: boolean): string => (isIt ? '*' : '');
      out.table(
        ['', 'POLICY', 'A STUDY GOES'],
        routing.policies.map(({ name, description }) => [mark(name === routing.policy), name, description]),
      );
      out.line();
      out.table(
        ['', 'ORDER', 'OF THOSE THAT WAIT, FIRST GOES'],
        routing.orders.map(({ name, description }) => [mark(name === routing.order), name, description]),
      );
    });

  withServiceOptions(policy.command('set [policy]'))
    .description('another policy, order, or policy on trial')
    .option('--order <order>', `which of the studies that wait goes first: ${queueOrders.join(', ')}`)
    .option('--shadow <policy>', 'a policy to compare with, never acted on; "none": none')
    .addHelpText(
      'after',
      '\nExamples:\n  dde policy set least-in-flight\n  dde policy set --order express --shadow round-robin',
    )
    .action(async (name: string | undefined, options: SetOptions) => {
      const { order, shadow } = options;
      if (name === undefined && order === undefined && shadow === undefined)
        throw new UserError('Nothing to change: name a policy, --order or --shadow.');
      const change = {
        ...(name === undefined ? {} : { policy: oneOf(policyNames, name, 'policy') }),
        ...(order === undefined ? {} : { order: oneOf(queueOrders, order, 'order') }),
        ...(shadow === undefined
          ? {}
          : { shadow: shadow === 'none' ? null : oneOf(policyNames, shadow, 'policy') }),
      };
      const routing = await connectService(context, options).patch('/api/v1/routing', routingAnswer, change);
      if (options.json === true) out.json(routing);
      else say(routing);
    });

  function say({ policy: name, order, shadow }: RoutingAnswer): void {
    const news = `Studies are placed by ${name}, in the order ${order}; on trial: ${shadow ?? 'none'}.`;
    out.line(folded(news, out.width));
  }
}
