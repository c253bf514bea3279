import { originLine } from '../report/origin.ts';
import type { Throughput } from '../report/saved.ts';
import { type Colour, isColour, picture, rect, text, widthOf, wrapped } from '../report/svg.ts';
import { type CellResult, labelOf } from './cell.ts';
import { roles } from './contenders/contender.ts';
import { contenderNamed, contenders } from './contenders.ts';
import { short } from './report.ts';
import { type Summary, summaryOf } from './summary.ts';
import { workloadNamed, workloads } from './workloads.ts';

/** The charts show what most modalities do that send much: two associations, without Nagle's algorithm. */
const shown = { associations: 2, noDelay: true } as const;

const width = 860;
const edge = 12;
const axis = 40;
const sizes = { title: 15, legend: 11, label: 11, value: 10 } as const;
const plotHeight = 200;
const legendRow = 18;

interface Bar {
  readonly contender: string;
  /** Above it. */
  readonly label: string;
  /** From below, each share of the height of the plot. */
  readonly parts: readonly { readonly share: number; readonly colour: Colour }[];
}

interface Group {
  readonly title: string;
  readonly note: string;
  readonly bars: readonly Bar[];
}

interface Entry {
  readonly label: string;
  /** Null: a name without a mark. */
  readonly colour: Colour | null;
}

/**
 * Images a second of each contender ÷ that of "straight", a group of bars for each workload. @throws Error when there is no cell with two
 * associations, or one without "straight"
 */
export function throughputChart(saved: Throughput): string {
  const cells = cellsOf(saved).map(({ cell, summaries }) => {
    const base = summaries.get('straight')?.instancesPerSecond.median;
    if (base === undefined) throw new Error(`${cell.workload}: nothing to compare with was measured`);
    return { cell, base, summaries };
  });
  const ratios = cells.flatMap(({ base, summaries }) =>
    [...summaries.values()].map((summary) => summary.instancesPerSecond.median / base),
  );
  const step = 0.25;
  const top = Math.ceil(Math.max(...ratios) / step) * step;
  const groups = cells.map(({ cell, base, summaries }): Group => {
    const bars = [...summaries].map(([contender, summary]): Bar => {
      const ratio = summary.instancesPerSecond.median / base;
      return {
        contender,
        label: ratio.toFixed(2),
        parts: [{ share: ratio / top, colour: colourOf(contender) }],
      };
    });
    return { title: workloadNamed(cell.workload).title, note: `1 = ${short(base)}/s`, bars };
  });
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => ({
    share: (index * step) / top,
    label: (index * step).toFixed(2),
  }));
  return drawn(saved, {
    title: 'Images a second, compared with sending straight to one backend',
    entries: contenders
      .filter(({ name }) => groups.some(({ bars }) => bars.some(({ contender }) => contender === name)))
      .map(({ name }) => ({ label: labelOf(name), colour: colourOf(name) })),
    groups,
    ticks,
    below: () => '',
  });
}

/** CPU time an image by role, a stack for each contender, a group for each workload. @throws Error when there is no cell with two associations */
export function cpuChart(saved: Throughput): string {
  const groups = cellsOf(saved).map(({ cell, summaries }): Group => {
    const most = Math.max(...[...summaries.values()].map(({ cpuMs }) => cpuMs.all.median));
    const bars = [...summaries].map(([contender, { cpuMs }]): Bar => {
      // The medians of the parts need not add up to the median of the whole: the stack is as high as the whole.
      const sum = roles.reduce((total, role) => total + cpuMs[role].median, 0);
      const scale = sum === 0 ? 0 : cpuMs.all.median / sum / most;
      return {
        contender,
        label: short(cpuMs.all.median),
        parts: roles.map((role) => ({ share: cpuMs[role].median * scale, colour: role })),
      };
    });
    return { title: workloadNamed(cell.workload).title, note: '', bars };
  });
  return drawn(saved, {
    title: 'CPU milliseconds an image, all processes; each workload with a scale of its own',
    entries: [
      { label: 'front', colour: 'front' },
      { label: 'service', colour: 'service' },
      { label: 'backends', colour: 'backends' },
      ...contenders
        .filter(({ name }) => groups.some(({ bars }) => bars.some(({ contender }) => contender === name)))
        .map(({ name }) => ({ label: labelOf(name), colour: null })),
    ],
    groups,
    ticks: [{ share: 0, label: '' }],
    below: (contender) => `(${contenderNamed(contender).letter})`,
  });
}

/** Whether there is anything in it that the charts show. */
export function isCharted({ cells }: Throughput): boolean {
  return cells.some(isShown);
}

function isShown({ associations, noDelay }: CellResult): boolean {
  return associations === shown.associations && noDelay === shown.noDelay;
}

/** The cells that are shown, in the order of the workloads, with the contenders in theirs. */
function cellsOf({ cells }: Throughput): { cell: CellResult; summaries: ReadonlyMap<string, Summary> }[] {
  const found = workloads.flatMap(({ name }) =>
    cells.filter((cell) => cell.workload === name && isShown(cell)),
  );
  if (found.length === 0) throw new Error('no cell with two associations was measured');
  return found.map((cell) => ({
    cell,
    summaries: new Map(
      contenders.flatMap(({ name }) => {
        const one = cell.contenders.find(({ contender }) => contender === name);
        return one === undefined ? [] : [[name, summaryOf(one.runs)] as const];
      }),
    ),
  }));
}

function drawn(
  saved: Throughput,
  {
    title,
    entries,
    groups,
    ticks,
    below,
  }: {
    readonly title: string;
    readonly entries: readonly Entry[];
    readonly groups: readonly Group[];
    readonly ticks: readonly { readonly share: number; readonly label: string }[];
    /** What stands below the bar of a contender. */
    readonly below: (contender: string) => string;
  },
): string {
  const parts: string[] = [text({ x: edge, y: 24, text: title, size: sizes.title, isBold: true })];
  const legend = legendOf(entries, 46);
  parts.push(...legend.parts);
  const top = legend.bottom + 24;
  const floor = top + plotHeight;
  for (const { share, label } of ticks) {
    const y = floor - share * plotHeight;
    parts.push(rect({ x: axis, y, width: width - axis - edge, height: 1, colour: 'line' }));
    parts.push(
      text({ x: axis - 6, y: y + 4, text: label, size: sizes.value, anchor: 'end', colour: 'faint' }),
    );
  }
  const groupWidth = (width - axis - edge) / groups.length;
  const most = Math.max(...groups.map(({ bars }) => bars.length));
  const pitch = Math.min(60, (groupWidth - 16) / most);
  const isMarked = groups.some(({ bars }) => bars.some(({ contender }) => below(contender) !== ''));
  let bottom = floor;
  for (const [index, { title: name, note, bars }] of groups.entries()) {
    const middle = axis + (index + 0.5) * groupWidth;
    for (const [place, { contender, label, parts: shares }] of bars.entries()) {
      const x = middle + (place - bars.length / 2) * pitch;
      let y = floor;
      for (const { share, colour } of shares) {
        const height = share * plotHeight;
        y -= height;
        if (height > 0) parts.push(rect({ x: x + 2, y, width: pitch - 4, height, colour }));
      }
      const at = { x: x + pitch / 2, size: sizes.value, anchor: 'middle' as const };
      parts.push(text({ ...at, y: y - 4, text: label, isBold: contender === 'dde' }));
      if (below(contender) !== '')
        parts.push(text({ ...at, y: floor + 14, text: below(contender), colour: 'faint' }));
    }
    const lines = wrapped(name, 14);
    const from = floor + (isMarked ? 32 : 18);
    const at = { x: middle, size: sizes.label, anchor: 'middle' as const };
    for (const [line, words] of lines.entries())
      parts.push(text({ ...at, y: from + line * 14, text: words }));
    if (note !== '') parts.push(text({ ...at, y: from + lines.length * 14, text: note, colour: 'faint' }));
    bottom = Math.max(bottom, from + lines.length * 14);
  }
  const caption = `2 associations; ${originLine(saved)}; medians of ${saved.repeats} runs`;
  parts.push(text({ x: edge, y: bottom + 24, text: caption, size: sizes.value, colour: 'faint' }));
  return picture(
    { width, height: bottom + 36, title },
    parts.filter((part) => part !== ''),
  );
}

/** The entries in rows, as many as have room in each; mere names below those with a mark. */
function legendOf(entries: readonly Entry[], y: number): { parts: readonly string[]; bottom: number } {
  const parts: string[] = [];
  let x = edge;
  let row = y;
  for (const [index, { label, colour }] of entries.entries()) {
    const mark = colour === null ? 0 : 16;
    const wide = mark + widthOf(label, sizes.legend) + 14;
    const isFirstName = colour === null && index > 0 && entries[index - 1]?.colour !== null;
    if (isFirstName || (x > edge && x + wide > width - edge)) {
      x = edge;
      row += legendRow;
    }
    if (colour !== null) parts.push(rect({ x, y: row - 9, width: 11, height: 11, colour }));
    parts.push(text({ x: x + mark, y: row, text: label, size: sizes.legend }));
    x += wide;
  }
  return { parts, bottom: row };
}

function colourOf(contender: string): Colour {
  if (!isColour(contender)) throw new Error(`${contender} has no colour in the charts`);
  return contender;
}
