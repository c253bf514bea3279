import { markdownTable } from '../report/markdown.ts';
import { originLine } from '../report/origin.ts';
import type { Scale } from '../report/saved.ts';
import { rowsOf, verdictsOf } from './report.ts';

/** The tables of scale for the document, by name. */
export function scaleTables(saved: Scale): ReadonlyMap<string, string> {
  const { sides, backends, rows, instances, repeats } = saved;
  const last = sides.full.at(-1);
  const drained =
    last === undefined || last.emptyAfter === null
      ? ''
      : ` In the last repeat all ${last.outcome.proven} images were proven and gone from the front after ${last.emptyAfter.toFixed(0)} s.`;
  const origin = `${originLine(saved)}; ${backends} backends, ${rows} rows in the ledger, ${instances} images on the front; ${repeats === 1 ? 'one run of each' : `medians (least–most) of ${repeats} runs, in turns`}.${drained}`;
  const promised = verdictsOf(sides).map(({ what, figure, bound: [side, limit], isMet }) => [
    what,
    isMet ? figure.toFixed(2) : `**missed: ${figure.toFixed(2)}**`,
    `${side === 'atLeast' ? 'at least' : 'at most'} ${limit.toFixed(2)}`,
  ]);
  const calls = sides.full
    .flatMap((run) => run.calls)
    .map(({ path, p50, p99, kilobytes }) => [
      `\`${path}\``,
      p50.toFixed(1),
      p99.toFixed(1),
      kilobytes.toFixed(0),
    ]);
  return new Map([
    ['scale', `${markdownTable(['', 'full', 'empty', 'full ÷ empty'], rowsOf(sides))}\n\n${origin}`],
    ['scale-targets', markdownTable(['promised', 'measured', 'bound'], promised)],
    ...(calls.length === 0
      ? []
      : ([['scale-api', markdownTable(['call', 'p50, ms', 'p99, ms', 'KB'], calls)]] as const)),
  ]);
}
