import { farmLines, orthancLines, type Series, type SeriesQuery } from '../../ledger/series.ts';

export type SeriesFormat = 'json' | 'csv';

/** The body of an answer. Made where the figures are read: some hundred thousand numbers take their time also as text. */
export function seriesText(series: Series, query: SeriesQuery, format: SeriesFormat): string {
  return format === 'json' ? json(series, query) : csv(series);
}

function json({ at, farm, orthancs }: Series, { from, to, stepMs }: SeriesQuery): string {
  return JSON.stringify(
    {
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      step: stepMs / 1000,
      at: at.map((ms) => ms / 1000),
      farm,
      orthancs,
    },
    (_key, value: unknown) => (typeof value === 'number' ? rounded(value) : value),
  );
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
