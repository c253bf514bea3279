import { type Cell, titleOf } from './cells.ts';
import { type Run, type TargetName, targets } from './run.ts';

/** All runs of one cell, of both in the order of the repeats. */
export interface CellResult extends Cell {
  readonly runs: Readonly<Record<TargetName, readonly Run[]>>;
}

export const measures = ['p50', 'p99', 'associateMs', 'releaseMs', 'imagesPerSecond'] as const;
export type Measure = (typeof measures)[number];

/** What this project promises of what a modality sees at its own pace: no more than so many times a plain Orthanc's median. */
export const promisedRatio = 1.1;

export const labels: Readonly<Record<TargetName, string>> = {
  plain: 'plain Orthanc',
  front: 'this front, farm at work',
};

export function medianOf(runs: readonly Run[], measure: Measure): number {
  return middle(runs.map((run) => run[measure]));
}

/**
 * The front's figure ÷ the plain Orthanc's: the median over the repeats of the ratio of two runs that followed each other. What the
 * machine did to both of them is then no part of it.
 */
export function ratioOf({ runs }: CellResult, measure: Measure): number {
  return middle(
    runs.front.map((run, repeat) => run[measure] / (runs.plain[repeat]?.[measure] ?? Number.NaN)),
  );
}

/** Whether it is kept; null: nothing is promised at full speed, where whatever this project does takes CPU from one machine's sender. */
export function isPromiseKept(cell: CellResult): boolean | null {
  return cell.speed === 'full' ? null : ratioOf(cell, 'p50') <= promisedRatio;
}

export function tableOf(cell: CellResult): string {
  const heads = ['C-STORE p50', 'p99', 'associate', 'release', 'images/s'];
  const row = (label: string, cells: readonly string[]): string =>
    [label.padEnd(26), ...cells.map((text) => text.padStart(11))].join(' ');
  const verdict = isPromiseKept(cell);
  return [
    titleOf(cell),
    row('', heads),
    ...targets.map((target) =>
      row(
        labels[target],
        measures.map((measure) => {
          const value = medianOf(cell.runs[target], measure);
          return measure === 'imagesPerSecond' ? value.toFixed(1) : `${value.toFixed(2)} ms`;
        }),
      ),
    ),
    row(
      'ratio',
      measures.map((measure) => ratioOf(cell, measure).toFixed(2)),
    ),
    ...(verdict === null
      ? []
      : [`  ${verdict ? 'met   ' : 'MISSED'} C-STORE p50 ÷ plain: at most ${promisedRatio}`]),
  ].join('\n');
}

/** Of an even number the mean of the two in the middle. */
function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (upper + lower) / 2;
}
