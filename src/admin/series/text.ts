import { farmLines, type Line, orthancLines, type Series, type SeriesQuery } from '../../ledger/series.ts';

export type SeriesFormat = 'json' | 'csv';

/** The body of an answer. Made where the figures are read: some hundred thousand numbers take their time also as text. */
export function seriesText(series: Series, query: SeriesQuery, format: SeriesFormat): string {
  return format === 'json' ? json(series, query) : csv(series);
}

/** Put together by hand: a function that `JSON.stringify` calls for each of a million figures takes as long as reading them. */
function json({ at, farm, orthancs }: Series, { from, to, stepMs }: SeriesQuery): string {
  const object = (fields: readonly (readonly [name: string, text: string])[]): string =>
    `{${fields.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
  return object([
    ['from', JSON.stringify(new Date(from).toISOString())],
    ['to', JSON.stringify(new Date(to).toISOString())],
    ['step', String(stepMs / 1000)],
    ['at', list(at.map((ms) => ms / 1000))],
    ['farm', object(farmLines.map((name) => [name, list(farm[name])]))],
    [
      'orthancs',
      object(
        Object.entries(orthancs).map(([orthanc, lines]) => [
          orthanc,
          object(orthancLines.map((name) => [name, list(lines[name])])),
        ]),
      ),
    ],
  ]);
}

function list(line: Line): string {
  return `[${line.map((value) => (value === null ? 'null' : rounded(value))).join(',')}]`;
}

/** One row for each time; the columns of the farm first, then those of each Orthanc with its name before them. */
function csv({ at, farm, orthancs }: Series): string {
  const columns = [
    ...farmLines.map((name) => ({ name, line: farm[name] })),
    ...Object.entries(orthancs).flatMap(([orthanc, lines]) =>
      orthancLines.map((name) => ({ name: `${orthanc}.${name}`, line: lines[name] })),
    ),
  ];
  const rows = at.map((ms, index) => [
    new Date(ms).toISOString(),
    ...columns.map(({ line }) => {
      const value = line[index] ?? null;
      return value === null ? '' : String(rounded(value));
    }),
  ]);
  return `${[['at', ...columns.map(({ name }) => name)], ...rows].map((row) => row.join(',')).join('\r\n')}\r\n`;
}

/** A ten-thousandth of an image a second says nothing. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Math.round(value * 10_000) / 10_000;
}
