import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { ablationNamed, ablations, isAblation } from '../../decision/ablations.ts';
import { policyNamed } from '../../decision/policies.ts';
import { LedgerError } from '../../ledger/ledger.ts';
import { readTrace, type Trace } from '../../ledger/trace.ts';
import { type ReplayReport, type ReplayRow, replay, type Span } from '../../simulate/replay/replay.ts';
import { backendsOf, policiesFor, settingsOf } from '../../simulate/replay/set-up.ts';
import { loadTopology } from '../../topology/load.ts';
import { TopologyError } from '../../topology/problems.ts';
import { policyNames, type QueueOrder, queueOrders, type Topology } from '../../topology/topology.ts';
import { UserError } from '../../user-error.ts';
import { counted, folded, localTime, size } from '../format.ts';
import { ablationsHelp, oneOf, shortPolicy } from '../policies.ts';
import type { CliContext } from '../program.ts';
import { momentOf } from '../times.ts';

interface ReplayOptions {
  readonly ledger?: string;
  readonly from?: number;
  readonly to?: number;
  readonly policy?: readonly string[];
  readonly order?: QueueOrder;
  readonly json?: boolean;
}

const dayMs = 86_400_000;

export function registerReplay(program: Command, context: CliContext): void {
  program
    .command('replay')
    .summary('what would have been with another policy')
    .description(
      'what would have been with another policy: the studies of a span of time from the ledger, on backends as they were then',
    )
    .option(
      '--from <time>',
      'such as 2026-11-24T08:00:00Z, or 2h: two hours ago; default: 24 hours before --to',
      (text) => momentOf(text),
    )
    .option('--to <time>', 'default: now', (text) => momentOf(text))
    .option(
      '--policy <name...>',
      `which policies (default: expected-completion): ${policyNames.join(', ')}, or one of those below`,
    )
    .addOption(
      new Option('--order <name>', "which waiting study goes first (default: the topology's)").choices([
        ...queueOrders,
      ]),
    )
    .option('--ledger <file>', 'a ledger, or a copy made by backup (default: the one in the state folder)')
    .option('--json', 'print JSON for programs')
    .addHelpText(
      'after',
      [
        '',
        'Nothing is asked of the service, nothing is written. Backends are as their',
        'transfers were, minute by minute; lanes and weights are those of the topology',
        'now. The row that replays what was tells how far the others are to be trusted.',
        '',
        ablationsHelp,
        '',
        'Examples:',
        '  dde replay --policy expected-completion round-robin',
        '  dde replay --from 2026-11-23T06:00:00Z --to 2026-11-23T18:00:00Z',
        '  dde replay --ledger monday.sqlite --order critical --json',
      ].join('\n'),
    )
    .action((options: ReplayOptions) => {
      const environment = context.environment();
      const file =
        options.ledger === undefined
          ? join(environment.home, 'ledger.sqlite')
          : resolve(context.cwd, options.ledger);
      const to = options.to ?? Date.now();
      const span = { from: options.from ?? to - dayMs, to };
      if (span.from >= span.to) throw new UserError('--from must be before --to.');
      const known = [...policyNames, ...ablations];
      const asked = (options.policy ?? ['expected-completion']).map((one) => oneOf(known, one, 'policy'));
      const trace = read(file, span);
      const topology = topologyOf(context);
      const order = options.order ?? topology?.routing.order ?? 'fifo';
      const names = policiesFor(trace, asked);
      const report = replay({
        span,
        trace,
        before: read(file, { from: span.from - dayMs, to: span.from }),
        backends: backendsOf(trace, topology),
        policies: names.map((name) =>
          isAblation(name) ? ablationNamed(name, { order }) : policyNamed(name, { order }),
        ),
        settings: topology === null ? {} : settingsOf(topology),
      });
      if (options.json === true) context.out.json({ ...iso(span), order, ...report });
      else print(report, span, context);
    });
}

function iso({ from, to }: Span): { readonly from: string; readonly to: string } {
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

/** @throws UserError with what a person can do */
function read(file: string, span: Span): Trace {
  try {
    return readTrace(file, span);
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    throw new UserError(`${file} cannot be read: ${error.message}.`, { cause: error });
  }
}

/** Null: there is none here, or it is of no use; a ledger may be looked at far from its farm. */
function topologyOf(context: CliContext): Topology | null {
  const { topologyFile, variables } = context.environment();
  try {
    return loadTopology(topologyFile, variables, 'generate');
  } catch (error) {
    if (!(error instanceof TopologyError)) throw error;
    context.out.note(
      'Without a topology that can be read every backend is taken to have two lanes and weight 1.',
    );
    return null;
  }
}

function print(report: ReplayReport, span: Span, { out }: CliContext): void {
  const { from, to } = iso(span);
  const studies = counted(report.studies, 'study', 'studies');
  out.line(`${localTime(from)} to ${localTime(to)}`);
  out.line(`${studies}, ${counted(report.images, 'image')}, ${size(report.bytes) ?? ''}`);
  if (report.studies === 0) return;
  out.line();
  out.line('Seconds from the last image on the front until the study is available:');
  out.line();
  out.table(
    ['POLICY', 'p50', 'p95', 'p99', 'MAX', 'ALL DONE IN', 'NOT DONE'],
    [
      rowOf(`as it was (${report.was.policy})`, report.was),
      ...report.rows.map((row) => rowOf(`${shortPolicy(row.policy)}, replayed`, row)),
    ],
    { right: [1, 2, 3, 4, 5, 6] },
  );
  out.line();
  const same = report.rows.find(({ policy }) => policy === report.was.policy);
  if (same !== undefined) out.line(folded(trust(report.was, same), out.width));
  if (report.late > 0)
    out.line(
      folded(
        `${counted(report.late, 'image')} came long after the others of their study, and are not replayed.`,
        out.width,
      ),
    );
  out.line();
  out.line('The backends, by their transfers:');
  out.line();
  out.table(
    ['BACKEND', 'TRANSFERS', 'SETUP ms', 'o ms', 'r MB/s'],
    report.measured.map(({ name, law, transfers }) => [
      name,
      transfers,
      figure(law.setupSeconds * 1000),
      figure(law.secondsPerInstance * 1000),
      figure(1 / law.secondsPerByte / 1e6),
    ]),
    { right: [1, 2, 3, 4] },
  );
  out.line();
  out.line('Studies on each:');
  out.line();
  out.table(
    ['BACKEND', 'AS IT WAS', ...report.rows.map(({ policy }) => heading(policy))],
    report.measured.map(({ name }) => [
      name,
      report.was.backends[name] ?? 0,
      ...report.rows.map(({ backends }) => backends[name] ?? 0),
    ]),
    { right: [1, ...report.rows.map((_, index) => index + 2)] },
  );
}

function rowOf(name: string, row: ReplayRow): (string | number | null)[] {
  const { p50, p95, p99, max, makespan, lost } = row;
  return [
    name,
    ...[p50, p95, p99, max, makespan].map((value) => (value === null ? null : seconds(value))),
    lost,
  ];
}

/** What the replay makes of what really happened is the measure of all it says. */
function trust(was: ReplayRow, same: ReplayRow): string {
  if (was.p99 === null || same.p99 === null || was.p99 <= 0)
    return 'What was cannot be held against its replay: nothing of it was available in the end.';
  const percent = Math.round((same.p99 / was.p99) * 100);
  const far = percent < 80 || percent > 125;
  return `The p99 of what was comes out as ${percent} % of what it was${far ? ': take the other rows as a hint only, and compare them with that row, not with what was.' : '.'}`;
}

/** Broken between its words, where the columns are narrow. */
function heading(policy: string): string {
  return policy.toUpperCase().replaceAll('-', ' ');
}

function seconds(value: number): string {
  return value >= 99.95 ? Math.round(value).toLocaleString('en-US') : value.toFixed(value < 0.995 ? 2 : 1);
}

function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}
