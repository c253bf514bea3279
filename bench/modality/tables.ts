import { markdownTable } from '../report/markdown.ts';
import { originLine } from '../report/origin.ts';
import type { Modality } from '../report/saved.ts';
import { titleOf } from './cells.ts';
import { isPromiseKept, type Measure, medianOf, promisedRatio, ratioOf } from './report.ts';

const shown: readonly { readonly measure: Measure; readonly head: string }[] = [
  { measure: 'p50', head: 'C-STORE p50' },
  { measure: 'p99', head: 'p99' },
  { measure: 'associateMs', head: 'association' },
  { measure: 'releaseMs', head: 'release' },
];

/** The table of what a modality sees for the document, by its name: plain Orthanc, this project's front, and the ratio. */
export function modalityTables(saved: Modality): ReadonlyMap<string, string> {
  const rows = saved.cells.map((cell) => [
    titleOf(cell),
    ...shown.map(({ measure }) => {
      const [plain, front] = [cell.runs.plain, cell.runs.front].map((runs) =>
        medianOf(runs, measure).toFixed(2),
      );
      const ratio = ratioOf(cell, measure).toFixed(2);
      const isMissed = measure === 'p50' && isPromiseKept(cell) === false;
      return `${plain} → ${front} (${isMissed ? `**missed: ${ratio}**` : ratio})`;
    }),
  ]);
  const heads = ['ms, plain Orthanc → this front (ratio)', ...shown.map(({ head }) => head)];
  const origin = `${originLine(saved)}; medians of ${saved.repeats} runs each, in turns; the ratio is that of two runs that followed each other. Promised at a modality's pace: C-STORE p50 at most ${promisedRatio}.`;
  return new Map([['modality', `${markdownTable(heads, rows)}\n\n${origin}`]]);
}
