import { markdownTable } from '../report/markdown.ts';
import { originLine } from '../report/origin.ts';
import type { Single } from '../report/saved.ts';
import { labelOf } from '../throughput/cell.ts';
import { titles } from './modes.ts';
import { ms, promised } from './report.ts';
import { stages } from './stages.ts';

/** The tables of single images for the document, by name. */
export function singleTables(saved: Single): ReadonlyMap<string, string> {
  const origin = `${originLine(saved)}; ${saved.images} images each, contenders in turns.`;
  const waits = saved.modes.flatMap(({ mode, contenders }) =>
    contenders.flatMap(({ contender, thereMs, provenMs }) => [
      [`${titles[mode]}: ${labelOf(contender)}`, ms(thereMs.p50), ms(thereMs.p99), ms(thereMs.max)],
      ...(provenMs === null
        ? []
        : [
            [
              `${titles[mode]}: until its receipt (promised: ${promised.p50} ms, ${promised.p99} ms)`,
              kept(provenMs.p50, promised.p50),
              kept(provenMs.p99, promised.p99),
              ms(provenMs.max),
            ],
          ]),
    ]),
  );
  const parts = saved.modes.flatMap(({ mode, contenders }) =>
    contenders.flatMap((one) =>
      one.stages === null
        ? []
        : [[titles[mode], ...one.stages.map(({ p50, p99 }) => `${ms(p50)}, ${ms(p99)}`)]],
    ),
  );
  return new Map([
    ['single', `${markdownTable(['from its acknowledgement', 'p50', 'p99', 'max'], waits)}\n\n${origin}`],
    ...(parts.length === 0
      ? []
      : ([
          ['stages', `${markdownTable(['p50, p99 of each part', ...stages], parts)}\n\n${origin}`],
        ] as const)),
  ]);
}

function kept(value: number, limit: number): string {
  return value <= limit ? ms(value) : `**missed: ${ms(value)}**`;
}
