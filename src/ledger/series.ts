import BetterSqlite3, { type Database, type Statement } from 'better-sqlite3';
import type { EpochMs } from '../study.ts';
import { toLedgerError } from './errors.ts';
import type { HistoryResolution } from './ledger.ts';
import { seriesSql } from './series-sql.ts';

export { seriesSql } from './series-sql.ts';

/** Intervals of one length, the first beginning at `from`. */
export interface SeriesQuery {
  /** A multiple of `stepMs`. */
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** Not finer than the resolution. */
  readonly stepMs: number;
  /** What is read; where it does not reach to yet, what it will be made of is. */
  readonly resolution: HistoryResolution;
}

/** A figure for each interval; null: nothing is known of it. */
export type Line = readonly (number | null)[];

export const farmLines = [
  'inInstances',
  'inBytes',
  'outInstances',
  'outBytes',
  'waitingInstances',
  'oldestAgeSeconds',
  'quarantined',
] as const;
export const orthancLines = [
  'up',
  'latencyMs',
  'jobsPending',
  'jobsRunning',
  'activeRequests',
  'instances',
  'diskBytes',
  'transferSeconds',
  'outInstances',
  'outBytes',
  'decisions',
] as const;

/** Images and bytes are a second, decisions a count; of what waits, what is held and what a disk has it is the peak, else the average. */
export interface Series {
  /** Where each interval begins. */
  readonly at: readonly EpochMs[];
  readonly farm: Readonly<Record<(typeof farmLines)[number], Line>>;
  readonly orthancs: Readonly<Record<string, Readonly<Record<(typeof orthancLines)[number], Line>>>>;
}

export interface SeriesSource {
  /** @throws LedgerError */
  read(query: SeriesQuery): Series;
  close(): void;
}

type Row = Readonly<Record<string, number | null>> & { readonly bucket: number };

/** A span of time, and the table that has it. */
interface Piece {
  readonly resolution: HistoryResolution;
  readonly since: EpochMs;
  readonly until: EpochMs;
}

/** What rows say of each interval, added up, or the greatest of it. */
class Sums {
  readonly #columns = new Map<string, (number | null)[]>();
  readonly #length: number;

  constructor(length: number) {
    this.#length = length;
  }

  add(row: Row): void {
    const { bucket } = row;
    for (const name in row) {
      const value = row[name];
      if (typeof value !== 'number' || name === 'bucket') continue;
      const column = this.#column(name);
      const before = column[bucket] ?? null;
      column[bucket] = before === null ? value : peaks.has(name) ? Math.max(before, value) : before + value;
    }
  }

  at(name: string, bucket: number): number | null {
    return this.#columns.get(name)?.[bucket] ?? null;
  }

  #column(name: string): (number | null)[] {
    const known = this.#columns.get(name);
    if (known !== undefined) return known;
    const made = Array.from<number | null>({ length: this.#length }).fill(null);
    this.#columns.set(name, made);
    return made;
  }
}

const peaks: ReadonlySet<string> = new Set([
  'instances',
  'disk_bytes',
  'waiting',
  'oldest_age_ms',
  'quarantined',
]);

/**
 * Reads what the ledger keeps over time, beside a service that goes on: each statement is read to its end at once and holds nothing
 * afterwards. For a thread of its own: a year of many Orthancs takes a good part of a second.
 *
 * @throws LedgerError when the file cannot be opened
 */
export function openSeries(file: string): SeriesSource {
  let db: Database;
  try {
    db = new BetterSqlite3(file, { readonly: true, fileMustExist: true });
  } catch (error) {
    throw toLedgerError(error);
  }
  const prepared = new Map<string, Statement>();

  function all<T>(sql: string, ...parameters: unknown[]): T[] {
    const statement = prepared.get(sql) ?? db.prepare(sql);
    prepared.set(sql, statement);
    return statement.all(...parameters) as T[];
  }

  function untilOf(resolution: 'minute' | 'hour'): EpochMs {
    return all<{ until: number }>(seriesSql.seriesUntil, resolution)[0]?.until ?? 0;
  }

  /** Hours end where the last roll-up ended; from there on it is minutes, and from the end of those it is samples. */
  function piecesOf({ from, to, resolution }: SeriesQuery): readonly Piece[] {
    const minutesUntil = resolution === 'raw' ? from : untilOf('minute');
    const hoursUntil = resolution === 'hour' ? untilOf('hour') : from;
    const pieces: Piece[] = [
      { resolution: 'hour', since: from, until: Math.min(to, hoursUntil) },
      { resolution: 'minute', since: Math.max(from, hoursUntil), until: Math.min(to, minutesUntil) },
      { resolution: 'raw', since: Math.max(from, hoursUntil, minutesUntil), until: to },
    ];
    return pieces.filter(({ since, until }) => since < until);
  }

  function orthancsIn(pieces: readonly Piece[]): readonly string[] {
    const names = pieces.flatMap(({ resolution }) =>
      all<{ name: string }>(seriesSql[`seriesOrthancs${capital[resolution]}`]).map(({ name }) => name),
    );
    return [...new Set(names)].toSorted();
  }

  function read(query: SeriesQuery): Series {
    const { from, to, stepMs } = query;
    const length = lengthOf(query);
    const pieces = piecesOf(query);
    const grid = { from, step: stepMs };
    const farm = new Sums(length);
    const orthancs = new Map(orthancsIn(pieces).map((name) => [name, new Sums(length)]));
    for (const { resolution, since, until } of pieces) {
      const span = { ...grid, since, until: Math.min(until, from + length * stepMs) };
      for (const row of all<Row>(seriesSql[`seriesFarm${capital[resolution]}`], span)) farm.add(row);
      for (const [orthanc, sums] of orthancs) {
        for (const row of all<Row>(seriesSql[`seriesLoad${capital[resolution]}`], { ...span, orthanc }))
          sums.add(row);
        if (resolution !== 'raw') continue;
        for (const row of all<Row>(seriesSql.seriesTransfers, { ...span, orthanc })) sums.add(row);
      }
      if (resolution !== 'raw') continue;
      for (const row of all<Row & { orthanc: string }>(seriesSql.seriesDecisions, span)) {
        const { orthanc, bucket, decisions = null } = row;
        orthancs.get(orthanc)?.add({ bucket, decisions });
      }
    }
    return {
      at: Array.from({ length }, (_, bucket) => from + bucket * stepMs),
      farm: farmOfSums(farm, length),
      orthancs: Object.fromEntries(
        [...orthancs].map(([name, sums]) => [name, orthancOfSums(sums, { length, from, to, stepMs })]),
      ),
    };
  }

  return {
    read(query) {
      try {
        return read(query);
      } catch (error) {
        throw toLedgerError(error);
      }
    },
    close: () => {
      db.close();
    },
  };
}

const capital = { raw: 'Raw', minute: 'Minute', hour: 'Hour' } as const;

/** The last interval is not over at `to`; of less than half of it nothing is said. */
function lengthOf({ from, to, stepMs }: SeriesQuery): number {
  return Math.max(0, Math.floor((to - from) / stepMs + 0.5));
}

function farmOfSums(sums: Sums, length: number): Series['farm'] {
  const line = (of: (bucket: number) => number | null): Line =>
    Array.from({ length }, (_, bucket) => of(bucket));
  const rate = (name: string): Line =>
    line((bucket) => divided(sums.at(name, bucket), (sums.at('span_ms', bucket) ?? 0) / 1000));
  const peak = (name: string, by = 1): Line => line((bucket) => divided(sums.at(name, bucket), by));
  return {
    inInstances: rate('in_instances'),
    inBytes: rate('in_bytes'),
    outInstances: rate('out_instances'),
    outBytes: rate('out_bytes'),
    waitingInstances: peak('waiting'),
    oldestAgeSeconds: peak('oldest_age_ms', 1000),
    quarantined: peak('quarantined'),
  };
}

function orthancOfSums(
  sums: Sums,
  { length, from, to, stepMs }: Omit<SeriesQuery, 'resolution'> & { readonly length: number },
): Series['orthancs'][string] {
  const line = (of: (bucket: number) => number | null): Line =>
    Array.from({ length }, (_, bucket) => of(bucket));
  const average = (name: string): Line =>
    line((bucket) => divided(sums.at(name, bucket), sums.at(`${name}_of`, bucket) ?? 0));
  /** Where nobody looked, nothing is known; where somebody looked, nothing is a figure too. */
  const counted = (name: string, bucket: number): number | null => {
    const found = sums.at(name, bucket) ?? 0;
    return found === 0 && (sums.at('samples', bucket) ?? 0) === 0 ? null : found;
  };
  const rate = (name: string): Line =>
    line((bucket) =>
      divided(
        counted(name, bucket),
        (Math.min(to, from + (bucket + 1) * stepMs) - from - bucket * stepMs) / 1000,
      ),
    );
  return {
    up: line((bucket) => divided(sums.at('ups', bucket), sums.at('samples', bucket) ?? 0)),
    latencyMs: average('latency_ms'),
    jobsPending: average('jobs_pending'),
    jobsRunning: average('jobs_running'),
    activeRequests: average('active_requests'),
    instances: line((bucket) => sums.at('instances', bucket)),
    diskBytes: line((bucket) => sums.at('disk_bytes', bucket)),
    transferSeconds: line((bucket) =>
      divided(divided(sums.at('transfer_ms', bucket), 1000), sums.at('transfers', bucket) ?? 0),
    ),
    outInstances: rate('transferred_instances'),
    outBytes: rate('transferred_bytes'),
    decisions: line((bucket) => counted('decisions', bucket)),
  };
}

function divided(value: number | null, by: number): number | null {
  return value === null || by === 0 ? null : value / by;
}
