import { markdownTable } from '../report/markdown.ts';
import { originLine } from '../report/origin.ts';
import type { Throughput } from '../report/saved.ts';
import { type Cell, type CellResult, titleOf } from './cell.ts';
import { contenders } from './contenders.ts';
import { short, time } from './report.ts';
import { summaryOf } from './summary.ts';
import { figureOf, type Verdict, verdictsOf } from './targets.ts';
import { workloadNamed, workloads } from './workloads.ts';

/** The tables of throughput for the document, by name: the figures are rounded as the bench prints them. */
export function throughputTables(saved: Throughput): ReadonlyMap<string, string> {
  const origin = `${originLine(saved)}; medians of ${saved.repeats} runs each, contenders in turns.`;
  const cells = saved.cells.toSorted(
    (one, other) => one.associations - other.associations || placeOf(one) - placeOf(other),
  );
  const tables = new Map<string, string>();
  // What may be measured by itself, on another machine, has tables of its own: each says where its figures are from.
  for (const [before, some] of [
    ['', cells.filter(({ noDelay, associations }) => noDelay && associations > 1)],
    ['alone-', cells.filter(({ noDelay, associations }) => noDelay && associations === 1)],
    ['nagle-', cells.filter(({ noDelay }) => !noDelay)],
  ] as const) {
    if (some.length === 0) continue;
    tables.set(`${before}throughput`, `${rates(some)}\n\n${origin}`);
    tables.set(`${before}cpu`, `${costs(some)}\n\n${origin}`);
    tables.set(`${before}proven`, `${proofs(some)}\n\n${origin}`);
    const judged = verdicts(some);
    if (judged !== null) tables.set(`${before}targets`, `${judged}\n\n${origin}`);
  }
  return tables;
}

/** Where its workload stands among all. */
function placeOf({ workload }: CellResult): number {
  return workloads.findIndex(({ name }) => name === workload);
}

/** Images a second; of those that are compared, what that is of "straight". */
function rates(cells: readonly CellResult[]): string {
  const rows = cells.map((cell) => {
    const rate = (name: string): number | null => {
      const runs = runsOf(cell, name);
      return runs === null ? null : summaryOf(runs).instancesPerSecond.median;
    };
    const base = rate('straight');
    return [
      titleOf(asCell(cell)),
      ...contenders.map(({ name }) => {
        const one = rate(name);
        if (one === null) return '–';
        return name === 'straight' || base === null
          ? short(one)
          : `${short(one)} (${(one / base).toFixed(2)})`;
      }),
    ];
  });
  return markdownTable(['images/s (÷ a)', ...contenders.map(({ letter }) => `(${letter})`)], rows);
}

/** CPU milliseconds an image: all of it, and by role. */
function costs(cells: readonly CellResult[]): string {
  const rows = cells.map((cell) => [
    titleOf(asCell(cell)),
    ...contenders.map(({ name }) => {
      const runs = runsOf(cell, name);
      if (runs === null) return '–';
      const { front, service, backends, all } = summaryOf(runs).cpuMs;
      const parts = [front, service, backends].map(({ median }) => short(median));
      return `${short(all.median)} (${parts.join(' + ')})`;
    }),
  ]);
  const heads = [
    'CPU ms an image: all (front + service + backends)',
    ...contenders.map(({ letter }) => `(${letter})`),
  ];
  return markdownTable(heads, rows);
}

/** Of this project alone: how long after its acknowledgement an image is proven while the senders send all they can, and memory. */
function proofs(cells: readonly CellResult[]): string {
  const rows = cells.flatMap((cell) => {
    const runs = runsOf(cell, 'dde');
    if (runs === null) return [];
    const { provenMs, memory } = summaryOf(runs);
    if (provenMs === null) return [];
    const used = [memory.front, memory.service, memory.backends].map((bytes) => (bytes / 1e6).toFixed(0));
    return [[titleOf(asCell(cell)), time(provenMs.p50.median), time(provenMs.p99.median), ...used]];
  });
  return markdownTable(['', 'proven after, p50', 'p99', 'front, MB', 'service, MB', 'backends, MB'], rows);
}

/** What is promised, and whether it is kept; null: nothing is. */
function verdicts(cells: readonly CellResult[]): string | null {
  const judged = cells.flatMap((cell) => {
    const all = verdictsOf(asCell(cell), cell.contenders);
    return all.length === 0 ? [] : [{ title: titleOf(asCell(cell)), all }];
  });
  if (judged.length === 0) return null;
  const whats = [...new Set(judged.flatMap(({ all }) => all.map(({ what }) => what)))];
  const rows = judged.map(({ title, all }) => [
    title,
    ...whats.map((what) => {
      const verdict = all.find((one) => one.what === what);
      return verdict === undefined ? '–' : verdictCell(verdict);
    }),
  ]);
  return markdownTable(['', ...whats], rows);
}

function verdictCell(verdict: Verdict): string {
  const {
    bound: [side, limit],
    isMet,
  } = verdict;
  const said = `${figureOf(verdict)} (${side === 'atLeast' ? '≥' : '≤'} ${limit})`;
  return isMet ? said : `**missed: ${said}**`;
}

function runsOf(
  { contenders: all }: CellResult,
  name: string,
): CellResult['contenders'][number]['runs'] | null {
  return all.find(({ contender }) => contender === name)?.runs ?? null;
}

function asCell({ workload, associations, noDelay }: CellResult): Cell {
  return { workload: workloadNamed(workload), associations, noDelay };
}
