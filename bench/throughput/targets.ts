import type { Cell, CellRuns } from './cell.ts';
import { type Summary, summaryOf } from './summary.ts';

export interface Verdict {
  readonly what: string;
  readonly figure: number;
  /** `atLeast` or `atMost`, and how much. */
  readonly bound: readonly ['atLeast' | 'atMost', number];
  readonly isMet: boolean;
}

/**
 * What this project promises of one cell, as ratios of medians from the same run: nothing else holds on another machine. Store-and-forward
 * stores each image twice, so half of "straight" is what there is while all share one machine. Promised from two associations on; with one the
 * sender is what everything waits for. Empty when the contenders it needs did not run.
 */
export function verdictsOf({ workload, associations }: Cell, all: readonly CellRuns[]): Verdict[] {
  const of = (name: string): Summary | null => {
    const found = all.find(({ contender }) => contender === name);
    return found === undefined || found.runs.length === 0 ? null : summaryOf(found.runs);
  };
  const mine = of('dde');
  if (mine === null || associations < 2) return [];
  const straight = of('straight');
  const stock = of('stock-lua');
  const jobs = of('lua-jobs');
  const rate = (summary: Summary): number => summary.instancesPerSecond.median;
  const verdicts: Verdict[] = [];
  const judge = (what: string, figure: number, bound: Verdict['bound']): void => {
    const isMet = bound[0] === 'atLeast' ? figure >= bound[1] : figure <= bound[1];
    verdicts.push({ what, figure, bound, isMet });
  };
  if (stock !== null) judge('images/s ÷ (c)', rate(mine) / rate(stock), ['atLeast', 4]);
  if (jobs !== null) judge('images/s ÷ (d)', rate(mine) / rate(jobs), ['atLeast', 1]);
  if (straight !== null) {
    judge('images/s ÷ (a)', rate(mine) / rate(straight), ['atLeast', workload.isLarge ? 0.42 : 0.3]);
    judge('CPU an image ÷ (a)', mine.cpuMs.all.median / straight.cpuMs.all.median, [
      'atMost',
      workload.name === 'mr' || workload.name === 'tiny' ? 3 : 2.5,
    ]);
  }
  judge('service, CPU ms an image', mine.cpuMs.service.median, ['atMost', 1]);
  return verdicts;
}

/** The figure with two digits after the point, or as many more as tell it from a bound that it misses. */
export function figureOf({ figure, bound: [, limit], isMet }: Verdict): string {
  let digits = 2;
  while (!isMet && digits < 6 && Number(figure.toFixed(digits)) === limit) digits++;
  return figure.toFixed(digits);
}
