import { labelOf } from '../throughput/cell.ts';
import { titles } from './modes.ts';
import type { ModeFigures, Wait } from './run.ts';

/** What this project promises of a single image on an idle farm: milliseconds from acknowledgement to proof. */
export const promised = { p50: 20, p99: 60 } as const;

/** The figures of one mode, a contender a line; then where the time goes, and what was promised of it. */
export function tableOf({ mode, contenders }: ModeFigures): string {
  const rows = contenders.flatMap(({ contender, storeMs, thereMs, provenMs }) => [
    [labelOf(contender), ms(storeMs.p50), ...waits(thereMs)],
    ...(provenMs === null ? [] : [['    until its receipt', '', ...waits(provenMs)]]),
  ]);
  const table = [['', 'C-STORE', 'p50', 'p99', 'max'], ...rows];
  const width = Math.max(...table.map(([label = '']) => label.length));
  const lines = table.map(([label = '', ...cells]) =>
    [label.padEnd(width), ...cells.map((cell) => cell.padStart(8))].join('  '),
  );
  for (const { contender, provenMs, stages } of contenders) {
    if (stages !== null) {
      lines.push(`${labelOf(contender)}: where its time goes, p50 and p99 of each part`);
      for (const { stage, p50, p99 } of stages)
        lines.push(`  ${stage.padEnd(width - 2)}  ${ms(p50).padStart(8)}  ${ms(p99).padStart(8)}`);
    }
    if (provenMs !== null)
      for (const share of ['p50', 'p99'] as const) {
        const isMet = provenMs[share] <= promised[share];
        lines.push(
          `  ${isMet ? 'met   ' : 'MISSED'} ${share} ${ms(provenMs[share])} (at most ${promised[share]} ms)`,
        );
      }
  }
  return [titles[mode], ...lines].join('\n');
}

function waits({ p50, p99, max }: Wait): string[] {
  return [p50, p99, max].map(ms);
}

/** As this bench prints it. */
export function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
