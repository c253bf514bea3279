import { setImmediate } from 'node:timers/promises';
import { Presets, SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { ablations } from '../../decision/ablations.ts';
import { type Contestant, contestants, type Report, type Row, runScenario } from '../../simulate/run.ts';
import { loadScenario, type Scenario, scenarioNames } from '../../simulate/scenario.ts';
import { type QueueOrder, queueOrders } from '../../topology/topology.ts';
import { UserError } from '../../user-error.ts';
import { folded } from '../format.ts';
import { ablationsHelp, oneOf, shortPolicy } from '../policies.ts';
import type { CliContext } from '../program.ts';

interface SimulateOptions {
  readonly scenario?: readonly string[];
  readonly policy?: readonly string[];
  readonly order: string;
  readonly seeds?: string;
  readonly list?: boolean;
  readonly json?: boolean;
}

const usualScenario = 'homogeneous';
const mostSeeds = 1_000;

export function registerSimulate(program: Command, context: CliContext): void {
  program
    .command('simulate')
    .summary('try policies on a modelled farm')
    .description(
      'try policies on a modelled farm, with the service’s own decisions on a virtual clock; no service is needed',
    )
    .option(
      '--scenario <file|name...>',
      `what comes, to which backends, and what happens to them; all: each that comes along (default: ${usualScenario})`,
    )
    .option('--policy <name...>', 'which policies (default: all, and two that know more than anybody can)')
    .option('--order <name>', `order of the queue: ${queueOrders.join(', ')}`, 'fifo')
    .option(
      '--seeds <n>',
      'how often, each time with other studies and troubles (default: what the scenario says)',
    )
    .option('--list', 'say which scenarios come along')
    .option('--json', 'print the figures for programs')
    .addHelpText(
      'after',
      [
        '',
        'Times are seconds from the last image of a study on the front until all of it is',
        'proven on its backend. MAKE: until everything is available, ÷ the least that can',
        'be. IMB: the busiest backend ÷ the average. SPL: studies a part of which is left',
        'on a former backend. LOST: not available in time. RETR: transfers that failed.',
        'oracle knows the true speeds, perfect-learner what transfers can tell of them.',
        '',
        ablationsHelp,
        '',
        'Examples:',
        '  dde simulate',
        '  dde simulate --list',
        '  dde simulate --scenario varying --policy least-in-flight oracle',
        '  dde simulate --policy expected-completion:no-late-binding',
        '  dde simulate --scenario batch-hetero --order critical --seeds 20',
        '  dde simulate --scenario ./mine.yaml --json',
      ].join('\n'),
    )
    .action(async (options: SimulateOptions) => {
      if (options.list === true) {
        list(context, options.json === true);
        return;
      }
      const scenarios = scenariosOf(options);
      const policies = policiesOf(options);
      const order = oneOf(queueOrders, options.order, 'order');
      const seeds = seedsOf(options);
      const steps = scenarios.reduce((sum, one) => sum + policies.length * (seeds ?? one.seeds), 0);
      const bar =
        context.out.tty && options.json !== true
          ? new SingleBar({ format: '{bar} {value}/{total}', clearOnComplete: true }, Presets.shades_classic)
          : null;
      bar?.start(steps, 0);
      const reports: Report[] = [];
      try {
        for (const scenario of scenarios) {
          const onStep = async (): Promise<void> => {
            bar?.increment();
            // A bar is drawn, and Ctrl-C heard, between two simulations.
            await setImmediate();
          };
          reports.push(
            await runScenario(scenario, { policies, order, seeds: seeds ?? scenario.seeds, onStep }),
          );
        }
      } finally {
        bar?.stop();
      }
      if (options.json === true) {
        context.out.json(reports.length === 1 ? reports[0] : reports);
        return;
      }
      for (const [index, report] of reports.entries()) {
        const scenario = scenarios[index];
        if (scenario !== undefined)
          print(context, scenario, report, { order, seeds: seeds ?? scenario.seeds });
      }
    });
}

function list({ out }: CliContext, asJson: boolean): void {
  const known = scenarioNames().map((name) => {
    const { about, heldOut } = loadScenario(name);
    return { name, about, heldOut };
  });
  if (asJson) {
    out.json({ items: known });
    return;
  }
  for (const { name, about, heldOut } of known)
    out.line(folded(`${name}: ${about}${heldOut ? ' (held out)' : ''}`, out.width));
}

function scenariosOf({ scenario = [usualScenario] }: SimulateOptions): Scenario[] {
  return scenario.flatMap((one) => (one === 'all' ? scenarioNames() : [one])).map(loadScenario);
}

function policiesOf({ policy }: SimulateOptions): readonly Contestant[] {
  if (policy === undefined || policy.includes('all')) return contestants;
  return [...new Set(policy.map((one) => oneOf([...contestants, ...ablations], one, 'policy')))];
}

function seedsOf({ seeds }: SimulateOptions): number | null {
  if (seeds === undefined) return null;
  const count = /^\d{1,6}$/.test(seeds) ? Number(seeds) : 0;
  if (count < 1 || count > mostSeeds) {
    throw new UserError(`--seeds must be a whole number from 1 to ${mostSeeds}, not ${seeds}.`);
  }
  return count;
}

function print(
  { out }: CliContext,
  { name, about, heldOut }: Scenario,
  { rows }: Report,
  { order, seeds }: { readonly order: QueueOrder; readonly seeds: number },
): void {
  out.line(out.colour.bold(name));
  out.line(
    folded(
      `${about}${heldOut ? ' (held out)' : ''} Order ${order}, ${seeds} seed${seeds === 1 ? '' : 's'}.`,
      out.width,
    ),
  );
  out.line();
  out.table(
    ['POLICY', 'P50', 'P95', 'P99', '±', 'MAX', 'MAKE', 'IMB', 'SPL', 'LOST', 'RETR'],
    rows.map((row) => [
      shortPolicy(row.policy),
      seconds(row.p50),
      seconds(row.p95),
      seconds(row.p99),
      row.policy === 'lower bound' ? '' : halfRange(row),
      seconds(row.max),
      row.makespanRatio < 10 ? row.makespanRatio.toFixed(3) : seconds(row.makespanRatio),
      row.policy === 'lower bound' ? '' : row.imbalance.toFixed(2),
      rounded(row.splits),
      rounded(row.lost),
      rounded(row.retries),
    ]),
    { right: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] },
  );
  out.line();
}

function halfRange({ p99Range: [low, high] }: Row): string {
  return high === low ? '0' : seconds((high - low) / 2);
}

function seconds(value: number): string {
  if (!Number.isFinite(value)) return '∞';
  return value < 100 ? value.toFixed(value < 10 ? 2 : 1) : value.toFixed(0);
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
