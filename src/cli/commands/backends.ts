import type { Command } from 'commander';
import { type BackendAnswer, backendAnswer, listOf } from '../../admin/schemas.ts';
import { type OperatorState, operatorStates } from '../../study.ts';
import { UserError } from '../../user-error.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { age, folded, size } from '../format.ts';
import type { Output } from '../output.ts';
import type { CliContext } from '../program.ts';
import { show, type WatchOptions, withWatchOptions } from '../watch.ts';
import { registerSteering } from './backends-steer.ts';

export const backendHead = ['BACKEND', 'STATE', 'HEALTH', 'WEIGHT', 'LANES', 'WAITING', 'STUDIES', 'DISK'];
export const backendNumbers = [3, 4, 5, 6, 7];

/** What is not as it should be stands out where there are colours. */
export function backendRow(
  backend: BackendAnswer,
  { yellow, red }: Output['colour'],
): readonly (string | number | null)[] {
  return [
    backend.name,
    backend.state === 'ready' ? backend.state : yellow(backend.state),
    backend.health === 'up' ? backend.health : red(backend.health),
    backend.weight,
    `${backend.busyLanes}/${backend.lanes}`,
    backend.instancesInFlight,
    backend.studiesInFlight,
    size(backend.diskBytes),
  ];
}

/** Why it does not serve, and since when; nothing for one that does. */
export function backendNews(backend: BackendAnswer, now: number): readonly string[] {
  const { name, health, healthReason, outSince, breaker } = backend;
  const out = outSince === null ? '' : `out for ${age(outSince, now)}`;
  const reasons = [
    health === 'up' ? null : (healthReason ?? 'has not answered yet'),
    backend.state === 'maint' ? 'taken out of everything (maint)' : null,
    breaker === 'open' ? 'its transfers fail, so none is started (breaker open)' : null,
    breaker === 'half-open' ? 'its transfers failed; one is trying it (breaker half-open)' : null,
  ].filter((reason) => reason !== null);
  if (out === '' && reasons.length === 0) return [];
  return [`${name}: ${[out, ...reasons].filter((part) => part !== '').join(': ')}`];
}

const whatStatesDo: Readonly<Record<OperatorState, string>> = {
  ready: 'takes new studies',
  drain: 'takes no new studies; those bound to it are still sent',
  maint: 'is sent nothing at all; what is bound to it waits',
};

export function registerBackends(program: Command, context: CliContext): void {
  const backends = program
    .command('backends')
    .summary('list backends; drain, add, change or reach one')
    .description('list the backends, add, change and remove them, take one out of service, reach one')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  dde backends                       list them',
        '  dde backends --watch               and again and again',
        '  dde backends drain orthanc1        no new studies; bound ones finish',
        '  dde backends maint orthanc1        nothing is sent there',
        '  dde backends ready orthanc1        back in service',
        '  dde backends weight orthanc1 0.5   half the share of new studies',
        '  dde backends echo orthanc1         is it reached, from every side',
        '  dde backends add orthanc3 --url http://10.0.0.3:8042 --password-file pw',
        '  dde backends set orthanc3 --lanes 4',
        '  dde backends remove orthanc3       out of the topology, once nothing is bound',
      ].join('\n'),
    );

  withWatchOptions(backends.command('list', { isDefault: true }))
    .description('list them (also without "list")')
    .addHelpText('after', '\nExamples:\n  dde backends\n  dde backends --watch\n  dde backends list --json')
    .action(async (options: WatchOptions) =>
      show(context, options, {
        ask: async (service) => (await service.get('/api/v1/backends', listOf(backendAnswer))).items,
        print: printBackends,
      }),
    );

  registerSteering(backends, context);

  const change = async (
    name: string,
    body: Record<string, unknown>,
    options: ServiceOptions,
  ): Promise<void> => {
    const path = `/api/v1/backends/${encodeURIComponent(name)}`;
    const changed = await connectService(context, options).patch(path, backendAnswer, body);
    if (options.json === true) context.out.json(changed);
    else {
      const news = `${changed.name} is ${changed.state} with weight ${changed.weight}: ${whatStatesDo[changed.state]}.`;
      context.out.line(folded(news, context.out.width));
    }
  };

  for (const state of operatorStates) {
    withServiceOptions(backends.command(`${state} <name>`))
      .description(whatStatesDo[state])
      .addHelpText('after', `\nExamples:\n  dde backends ${state} orthanc1`)
      .action((name: string, options: ServiceOptions) => change(name, { state }, options));
  }
  withServiceOptions(backends.command('weight <name> <weight>'))
    .description('its share of new studies: 1 = 100 %, 0 = none; "default" = as the topology says')
    .addHelpText(
      'after',
      '\nExamples:\n  dde backends weight orthanc1 0.5\n  dde backends weight orthanc1 default',
    )
    .action((name: string, weight: string, options: ServiceOptions) =>
      change(name, { weight: weightOf(weight) }, options),
    );
}

function printBackends(backends: readonly BackendAnswer[], out: Output): void {
  const rows = backends.map((backend) => backendRow(backend, out.colour));
  out.table(backendHead, rows, { right: backendNumbers });
  const now = Date.now();
  for (const backend of backends) {
    for (const news of backendNews(backend, now)) out.line(folded(news, out.width));
    if (backend.lastFailure !== null)
      out.line(folded(`${backend.name}: last failure: ${backend.lastFailure}`, out.width));
  }
}

function weightOf(text: string): number | null {
  if (text === 'default') return null;
  const weight = Number(text);
  if (text.trim() === '' || !Number.isFinite(weight) || weight < 0 || weight > 100) {
    throw new UserError(`The weight is "${text}", but must be a number from 0 to 100, or "default".`);
  }
  return weight;
}
