import { type Cell, type CellRuns, labelOf, titleOf } from './cell.ts';
import { type Spread, summaryOf } from './summary.ts';
import { figureOf, type Verdict, verdictsOf } from './targets.ts';

const heads = [
  '',
  'images/s (min–max)',
  'MB/s',
  '÷ (a)',
  'CPU ms an image',
  'memory MB',
  'proven after',
  'sender',
];
const seconds = ['', '', '', '', 'front serv. back. all', 'f/s/b', 'p50  p99', ''];

/** The figures of one cell, a contender a line, and what was promised of it. */
export function tableOf(cell: Cell, all: readonly CellRuns[]): string {
  const first = all.find(({ contender }) => contender === 'straight');
  const base = first === undefined ? null : summaryOf(first.runs).instancesPerSecond.median;
  const rows = all.map(({ contender, runs }) => {
    const {
      instancesPerSecond: rate,
      megabytesPerSecond,
      cpuMs,
      memory,
      provenMs,
      senderSeconds,
    } = summaryOf(runs);
    const cpu = [cpuMs.front, cpuMs.service, cpuMs.backends, cpuMs.all].map(({ median }) =>
      short(median).padStart(4),
    );
    const used = [memory.front, memory.service, memory.backends].map((bytes) => (bytes / 1e6).toFixed(0));
    return [
      labelOf(contender),
      `${short(rate.median)} (${range(rate)})`,
      short(megabytesPerSecond.median),
      base === null ? '' : (rate.median / base).toFixed(2),
      cpu.join('  '),
      used.join('/'),
      provenMs === null ? '' : `${time(provenMs.p50.median)}  ${time(provenMs.p99.median)}`,
      time(senderSeconds.median * 1000),
    ];
  });
  const table = [heads, seconds, ...rows];
  const widths = heads.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return [titleOf(cell), ...lines, ...verdictsOf(cell, all).map(verdictLine)].join('\n');
}

function verdictLine(verdict: Verdict): string {
  const {
    what,
    bound: [side, limit],
    isMet,
  } = verdict;
  return `  ${isMet ? 'met   ' : 'MISSED'} ${what}: ${figureOf(verdict)} (${side === 'atLeast' ? 'at least' : 'at most'} ${limit})`;
}

function range({ min, max }: Spread): string {
  return `${short(min)}–${short(max)}`;
}

/** Two digits below a hundred, whole above: figures that repeat to a few per cent do not have more. */
export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

/** Milliseconds, as such or in seconds. */
export function time(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
