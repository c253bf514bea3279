import type { OrthancSeries, Series } from '../lib/contract.ts';

export interface Span {
  /** Unix seconds. */
  readonly from: number;
  readonly to: number;
}

/** The service answers for a quarter of an hour at least: what is looked at more closely is cut out of that. */
const leastSeconds = 900;

export function askedFor({ from, to }: Span): Span {
  const missing = Math.max(0, leastSeconds - (to - from));
  return { from: from - missing / 2, to: to + missing / 2 };
}

/** Only what lies in the span, with one point to each side, so that lines reach the edges. */
export function cut(series: Series, { from, to }: Span): Series {
  const inside = series.at
    .map((at, index) => ({ at, index }))
    .filter(({ at }) => at >= from - series.step && at <= to + series.step);
  const first = inside[0]?.index ?? 0;
  const end = (inside.at(-1)?.index ?? -1) + 1;
  const lines = <T extends Readonly<Record<string, readonly unknown[]>>>(all: T): T =>
    Object.fromEntries(
      Object.entries(all).map(([name, values]) => [name, values.slice(first, end)]),
    ) as unknown as T;
  return {
    from: new Date(from * 1000).toISOString(),
    to: new Date(to * 1000).toISOString(),
    step: series.step,
    at: series.at.slice(first, end),
    farm: lines(series.farm),
    orthancs: Object.fromEntries(
      Object.entries(series.orthancs).map(([name, one]): [string, OrthancSeries] => [name, lines(one)]),
    ),
  };
}
