import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { isDark } from '../lib/theme.ts';

type Values = readonly (number | null)[];

export interface Line {
  readonly label: string;
  readonly values: Values;
  /** Index into the colours; default: its place. */
  readonly colour?: number;
  /** Its scale stands on the right side. */
  readonly right?: boolean;
  /** Over where nothing is known the line goes on: there was nothing to measure. */
  readonly bridged?: boolean;
}

export interface ChartProps {
  readonly title: string;
  /** Unix seconds, or any growing numbers with `xFormat`. */
  readonly at: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  /** For lines on the right. */
  readonly formatRight?: (value: number) => string;
  /** What the ticks of the left scale may be apart; default: any round number. */
  readonly steps?: readonly number[];
  readonly stepsRight?: readonly number[];
  readonly xFormat?: (value: number) => string;
  readonly logarithmic?: boolean;
  /** Charts with the same one show their cursors together. */
  readonly sync?: string;
  /** The place of the cursor, shared with other charts; null: it is nowhere. */
  readonly index?: Signal<number | null>;
  readonly onZoom?: (from: number, to: number) => void;
  readonly height?: number;
}

/** What comes in ones: half an image is none. */
export const wholeSteps: readonly number[] = Array.from({ length: 15 }, (_, power) =>
  [1, 2, 5].map((one) => one * 10 ** power),
).flat();

/** As a clock has them. */
export const secondSteps: readonly number[] = [
  [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
  [1, 2, 5, 10, 15, 30],
  [1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60),
  [1, 2, 4, 6, 12, 24, 48, 96, 240, 480, 960].map((hours) => hours * 3600),
].flat();

/** Told apart by people who see no red and green as well, on light and on dark. */
const light = [
  '#0a7d6c',
  '#2f5fd0',
  '#b4541a',
  '#8a3fb0',
  '#a8862a',
  '#c02f6b',
  '#3d7f2f',
  '#4b5d68',
  '#0e7fa6',
  '#7a4a30',
];
const dark = [
  '#4fd1bd',
  '#86aaff',
  '#f0a070',
  '#d59af5',
  '#e5c76b',
  '#ff8fb8',
  '#93d67f',
  '#a9bac4',
  '#6cc7ea',
  '#d0a488',
];

export function colourOf(index: number, onDark: boolean): string {
  const colours = onDark ? dark : light;
  return colours[index % colours.length] ?? '#888888';
}

/** A chart over time: synchronous cursor, zoom by dragging, and a legend with the values under the cursor. */
export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const own = useSignal<number | null>(null);
  const index = props.index ?? own;
  const latest = useRef(props);
  latest.current = props;
  const onDark = isDark.value;
  const shape = props.lines.map((line) => `${line.label}${line.right === true}`).join('|');
  useEffect(() => {
    const place = box.current;
    if (place === null) return undefined;
    let made: uPlot | null = null;
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (made !== null && width > 0 && width !== made.width) made.setSize({ width, height: made.height });
    });
    // Each in a turn of its own: eight charts at once would keep a click waiting.
    const turn = setTimeout(() => {
      made = new uPlot(
        optionsFor(latest, place.clientWidth, onDark, (at) => {
          index.value = at;
        }),
        dataOf(latest.current),
        place,
      );
      plot.current = made;
      observer.observe(place);
    });
    return () => {
      clearTimeout(turn);
      observer.disconnect();
      made?.destroy();
      plot.current = null;
    };
  }, [shape, onDark, props.logarithmic]);
  useEffect(() => {
    plot.current?.setData(dataOf(props));
  }, [props.at, props.lines]);
  return (
    <figure class="chart">
      <figcaption>
        <strong>{props.title}</strong>
        <Legend {...props} at={index} x={props.at} onDark={onDark} />
      </figcaption>
      <div
        ref={box}
        class="plot"
        role="img"
        aria-label={`${props.title}: a chart; the same figures stand in the table below`}
      />
    </figure>
  );
}

function Legend(
  props: Omit<ChartProps, 'at'> & { at: Signal<number | null>; x: readonly number[]; onDark: boolean },
) {
  const at = props.at.value;
  return (
    <span class="legend" aria-hidden="true">
      {props.lines.map((line, place) => {
        const value = at === null ? lastOf(line.values) : (line.values[at] ?? null);
        const format = line.right === true ? (props.formatRight ?? props.format) : props.format;
        return (
          <span key={line.label}>
            <i style={{ background: colourOf(line.colour ?? place, props.onDark) }} />
            {line.label} <b>{value === null ? '–' : format(value)}</b>
          </span>
        );
      })}
    </span>
  );
}

function lastOf(values: Values): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

function dataOf({ at, lines }: ChartProps): uPlot.AlignedData {
  return [[...at], ...lines.map((line) => [...line.values])] as uPlot.AlignedData;
}

/** As short as the ticks allow: hours within a day, days otherwise. */
function timeFormat(ticks: readonly number[]): (unixSeconds: number) => string {
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  const format = new Intl.DateTimeFormat(undefined, {
    ...(step < 86_400 ? ({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const) : {}),
    ...(step < 60 ? ({ second: '2-digit' } as const) : {}),
    ...(step >= 86_400 || (ticks.at(-1) ?? 0) - (ticks[0] ?? 0) > 86_400
      ? ({ month: 'short', day: 'numeric' } as const)
      : {}),
  });
  return (unixSeconds) => format.format(unixSeconds * 1000);
}

function optionsFor(
  latest: { readonly current: ChartProps },
  width: number,
  onDark: boolean,
  setIndex: (index: number | null) => void,
): uPlot.Options {
  const props = latest.current;
  const hasRight = props.lines.some((line) => line.right === true);
  const grid = { stroke: onDark ? '#27323a' : '#e4e9ec', width: 1 };
  const axis = {
    stroke: onDark ? '#9fb0b8' : '#51626c',
    grid,
    ticks: { ...grid, size: 4 },
    font: '12px system-ui, sans-serif',
  };
  const scale = (logarithmic: boolean): uPlot.Scale =>
    logarithmic
      ? { distr: 3, log: 10 }
      : {
          // From zero, so that a line that looks flat is flat; never without height.
          range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1],
        };
  return {
    width,
    height: props.height ?? 190,
    legend: { show: false },
    cursor: {
      ...(props.sync === undefined ? {} : { sync: { key: props.sync } }),
      drag: { x: props.onZoom !== undefined, y: false, setScale: false },
      points: { size: 6 },
    },
    scales: {
      x: { time: props.xFormat === undefined },
      y: scale(props.logarithmic === true),
      ...(hasRight ? { right: scale(false) } : {}),
    },
    axes: [
      {
        ...axis,
        // Room for hours, minutes and seconds.
        space: 72,
        size: 32,
        values: (_plot, ticks) => ticks.map(latest.current.xFormat ?? timeFormat(ticks)),
      },
      {
        ...axis,
        scale: 'y',
        size: 66,
        ...(props.steps === undefined ? {} : { incrs: [...props.steps] }),
        values: (_plot, ticks) => ticks.map((tick) => (tick === null ? '' : latest.current.format(tick))),
      },
      ...(hasRight
        ? [
            {
              ...axis,
              scale: 'right',
              side: 1 as const,
              size: 60,
              ...(props.stepsRight === undefined ? {} : { incrs: [...props.stepsRight] }),
              grid: { show: false },
              values: (_plot: uPlot, ticks: number[]) =>
                ticks.map((tick) => (latest.current.formatRight ?? latest.current.format)(tick)),
            },
          ]
        : []),
    ],
    series: [
      {},
      ...props.lines.map(
        (line, place): uPlot.Series => ({
          label: line.label,
          scale: line.right === true ? 'right' : 'y',
          stroke: colourOf(line.colour ?? place, onDark),
          width: 1.75,
          points: { show: false },
          spanGaps: line.bridged === true,
        }),
      ),
    ],
    hooks: {
      setCursor: [(plot) => setIndex(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 8) return;
          latest.current.onZoom?.(plot.posToVal(left, 'x'), plot.posToVal(left + wide, 'x'));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}
