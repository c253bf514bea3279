import { quantile } from '../support/figures.ts';
import type { ScaleRun } from './run.ts';

export interface Sides {
  readonly full: readonly ScaleRun[];
  readonly empty: readonly ScaleRun[];
}

export interface Verdict {
  readonly what: string;
  readonly figure: number;
  /** `atLeast` or `atMost`, and how much. */
  readonly bound: readonly ['atLeast' | 'atMost', number];
  readonly isMet: boolean;
}

/** Within a tenth of the rate with an empty ledger. */
const tenth = 0.9;
const startLimitMs = 5_000;
const hookLimitMs = 5;

/** What is promised: ratios of medians of the same session, since rates alone hold on no other machine; the times are limits anywhere. */
export function verdictsOf({ full, empty }: Sides): Verdict[] {
  const ratio = (figure: (run: ScaleRun) => number): number => median(full, figure) / median(empty, figure);
  const verdict = (what: string, figure: number, bound: Verdict['bound']): Verdict => ({
    what,
    figure,
    bound,
    isMet: bound[0] === 'atLeast' ? figure >= bound[1] : figure <= bound[1],
  });
  return [
    verdict(
      'proven/s, full ÷ empty',
      ratio(({ fast }) => fast.provenPerSecond),
      ['atLeast', tenth],
    ),
    verdict(
      'CPU an image, full ÷ empty',
      ratio(({ fast }) => fast.cpuMsAnImage),
      ['atMost', 1 / tenth],
    ),
    verdict(
      'hook p50, front paced, full ÷ empty',
      ratio(({ paced }) => paced.hookMs.p50),
      ['atMost', 1 / tenth],
    ),
    verdict(
      'hook p99, front paced, full ÷ empty',
      ratio(({ paced }) => paced.hookMs.p99),
      ['atMost', 1 / tenth],
    ),
    verdict(
      'hook p99, front paced, full, ms',
      median(full, ({ paced }) => paced.hookMs.p99),
      ['atMost', hookLimitMs],
    ),
    verdict(
      'start until ready, full, ms',
      worst(full, (run) => run.startMs),
      ['atMost', startLimitMs],
    ),
    verdict(
      'start after a kill, full, ms',
      worst(full, (run) => run.startAfterKillMs),
      ['atMost', startLimitMs],
    ),
  ];
}

const columns: readonly {
  readonly head: string;
  readonly of: (run: ScaleRun) => number;
  readonly digits: number;
}[] = [
  { head: 'fast: proven/s', of: ({ fast }) => fast.provenPerSecond, digits: 0 },
  { head: 'fast: CPU ms an image', of: ({ fast }) => fast.cpuMsAnImage, digits: 2 },
  { head: 'fast: hook p50 ms', of: ({ fast }) => fast.hookMs.p50, digits: 1 },
  { head: 'fast: hook p99 ms', of: ({ fast }) => fast.hookMs.p99, digits: 1 },
  { head: 'paced: proven/s', of: ({ paced }) => paced.provenPerSecond, digits: 0 },
  { head: 'paced: CPU ms an image', of: ({ paced }) => paced.cpuMsAnImage, digits: 2 },
  { head: 'paced: hook p50 ms', of: ({ paced }) => paced.hookMs.p50, digits: 2 },
  { head: 'paced: hook p99 ms', of: ({ paced }) => paced.hookMs.p99, digits: 2 },
  { head: 'paced: hook max ms', of: ({ paced }) => paced.hookMs.max, digits: 0 },
  { head: 'start ms', of: (run) => run.startMs, digits: 0 },
  { head: 'start until calm ms', of: (run) => run.calmMs, digits: 0 },
  { head: 'after a kill ms', of: (run) => run.startAfterKillMs, digits: 0 },
  { head: 'peak MB', of: (run) => run.peakMegabytes, digits: 0 },
];

/** What was measured, a line each: its name, median (least–most) of both sides, and the ratio of the medians. */
export function rowsOf(sides: Sides): string[][] {
  return columns.map(({ head, of, digits }) => {
    const shown = (runs: readonly ScaleRun[]): string => {
      const values = runs.map(of);
      return `${median(runs, of).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
    };
    const ratio = median(sides.full, of) / median(sides.empty, of);
    return [head, shown(sides.full), shown(sides.empty), ratio.toFixed(2)];
  });
}

/** Both sides, the ratios, and what was promised; then the calls of the admin API on the full side. */
export function tableOf(sides: Sides): string {
  const table = [['', 'full', 'empty', 'full ÷ empty'], ...rowsOf(sides)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  return [...lines, '', ...verdictsOf(sides).map(verdictLine), ...callLines(sides)].join('\n');
}

function callLines({ full }: Sides): string[] {
  const calls = full.flatMap((run) => run.calls);
  if (calls.length === 0) return [];
  const widest = Math.max(...calls.map(({ path }) => path.length));
  return [
    '',
    `${'admin API, full, ms'.padEnd(widest)}      p50      p99       KB`,
    ...calls.map(({ path, p50, p99, kilobytes }) => {
      const figures = [p50.toFixed(1), p99.toFixed(1), kilobytes.toFixed(0)];
      return `${path.padEnd(widest)} ${figures.map((text) => text.padStart(8)).join(' ')}`;
    }),
  ];
}

function verdictLine({ what, figure, bound: [side, limit], isMet }: Verdict): string {
  return `${isMet ? 'met   ' : 'MISSED'} ${what}: ${figure.toFixed(2)} (${side === 'atLeast' ? 'at least' : 'at most'} ${limit.toFixed(2)})`;
}

function median(runs: readonly ScaleRun[], of: (run: ScaleRun) => number): number {
  return quantile(runs.map(of), 0.5);
}

function worst(runs: readonly ScaleRun[], of: (run: ScaleRun) => number): number {
  return Math.max(...runs.map(of));
}
