import { useSignal } from '@preact/signals';
import { useMemo, useState } from 'preact/hooks';
import { byName } from '../farm/layout.ts';
import { apiUrl, get } from '../lib/api.ts';
import type { Series } from '../lib/contract.ts';
import { exactTime } from '../lib/format.ts';
import { frontNames } from '../lib/live.ts';
import { useLoad } from '../lib/load.ts';
import { go, place, to } from '../lib/route.ts';
import { Choices, Tick } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Card, Empty, Loading, Trouble } from '../ui/parts.tsx';
import { BackendCharts, FarmCharts } from './charts.tsx';
import { askedFor, cut, type Span } from './slice.ts';
import { FiguresTable } from './table.tsx';

const ranges = {
  '15m': [900, '15 min'],
  '1h': [3600, '1 h'],
  '6h': [21_600, '6 h'],
  '24h': [86_400, '24 h'],
  '7d': [604_800, '7 d'],
  '30d': [2_592_000, '30 d'],
  '1y': [31_536_000, '1 year'],
} as const;
type Range = keyof typeof ranges;

const points = 400;
/** So many lines can be told apart. */
const mostLines = 8;

/** What was, from a quarter of an hour to a year. */
export function HistoryScreen() {
  const { query } = place.value;
  const range = isRange(query.get('range')) ? (query.get('range') as Range) : '1h';
  const zoom = zoomOf(query);
  const [seconds] = ranges[range];
  const series = useLoad(
    async (signal) => {
      const end = Date.now() / 1000;
      const span = zoom ?? { from: end - seconds, to: end };
      const wide = askedFor(span);
      const whole = await get<Series>('/series', { from: iso(wide.from), to: iso(wide.to), points }, signal);
      return zoom === null ? whole : cut(whole, span);
    },
    `${range} ${zoom?.from} ${zoom?.to}`,
    zoom === null ? (seconds <= 3600 ? 5_000 : 60_000) : undefined,
  );
  const value = series.value;
  const zoomTo = (from: number, until: number): void =>
    go(to(['history'], { range, from: String(Math.floor(from)), to: String(Math.ceil(until)) }));
  return (
    <>
      <div class="head">
        <div>
          <h1>History</h1>
          <p class="note">
            {value === null
              ? 'From the ledger.'
              : `${exactTime(value.from)} – ${exactTime(value.to)}. Drag over a chart to look closer.`}
          </p>
        </div>
        <div class="row">
          <Choices<Range>
            label="Range"
            value={zoom === null ? range : ('' as Range)}
            onValue={(next) => go(to(['history'], { range: next }))}
            options={Object.entries(ranges).map(([name, [, text]]) => [name as Range, text] as const)}
          />
          {zoom !== null && (
            <button type="button" onClick={() => go(to(['history'], { range }))}>
              Back to {ranges[range][1]}
            </button>
          )}
          {value !== null && (
            <a class="button" href={csvOf(value)} download="history.csv">
              <Icon name="download" size={16} /> CSV
            </a>
          )}
        </div>
      </div>
      <Trouble problem={series.problem} />
      {series.loading && <Loading what="history" />}
      {value !== null && value.at.length === 0 && (
        <Empty title="Nothing is recorded for this time">
          <p>The service notes the load of every Orthanc every few seconds while it runs.</p>
        </Empty>
      )}
      {value !== null && value.at.length > 0 && <Charts series={value} onZoom={zoomTo} />}
    </>
  );
}

function Charts({ series, onZoom }: { series: Series; onZoom: (from: number, to: number) => void }) {
  const index = useSignal<number | null>(null);
  const fronts = new Set(frontNames.value);
  const names = useMemo(
    () =>
      Object.keys(series.orthancs)
        .filter((name) => !fronts.has(name))
        .map((name) => ({ name }))
        .toSorted(byName)
        .map(({ name }) => name),
    [series],
  );
  const [picked, setPicked] = useState<readonly string[] | null>(null);
  const shown = picked ?? busiest(series, names);
  const shared = { index, sync: 'history', onZoom };
  return (
    <>
      <Card title="The farm">
        <FarmCharts series={series} {...shared} />
      </Card>
      <Card title="Each backend">
        {names.length > 1 && (
          <details class="pick">
            <summary>
              {shown.length} of {names.length} backends shown
            </summary>
            <div class="ticks">
              {names.map((name) => (
                <Tick
                  key={name}
                  checked={shown.includes(name)}
                  onValue={(on) => setPicked(on ? [...shown, name] : shown.filter((one) => one !== name))}
                >
                  {name}
                </Tick>
              ))}
            </div>
          </details>
        )}
        <BackendCharts series={series} names={names.filter((name) => shown.includes(name))} {...shared} />
      </Card>
      <FiguresTable series={series} names={names} />
    </>
  );
}

function busiest(series: Series, names: readonly string[]): readonly string[] {
  if (names.length <= mostLines) return names;
  const load = (name: string): number =>
    (series.orthancs[name]?.outInstances ?? []).reduce<number>((sum, value) => sum + (value ?? 0), 0);
  return names.toSorted((a, b) => load(b) - load(a)).slice(0, mostLines);
}

function isRange(text: string | null): text is Range {
  return text !== null && text in ranges;
}

function zoomOf(query: URLSearchParams): Span | null {
  const from = Number(query.get('from'));
  const until = Number(query.get('to'));
  return from > 0 && until > from ? { from, to: until } : null;
}

function csvOf({ from, to: until }: Series): string {
  const wide = askedFor({ from: Date.parse(from) / 1000, to: Date.parse(until) / 1000 });
  return apiUrl('/series.csv', { from: iso(wide.from), to: iso(wide.to), points });
}

function iso(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString();
}
