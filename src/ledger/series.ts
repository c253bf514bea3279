import BetterSqlite3, { type Database, type Statement } from 'better-sqlite3';
import type { EpochMs } from '../study.ts';
import { toLedgerError } from './errors.ts';
import type { HistoryResolution } from './ledger.ts';

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

/** Numbers are bound as floating point, which would make this a division with a fraction. */
const bucketOf = (at: string): string =>
  `(${at} - CAST(@from AS INTEGER)) / CAST(@step AS INTEGER) AS bucket`;
/** The average over those samples that had this figure. */
const averaged = ['latency_ms', 'jobs_pending', 'jobs_running', 'active_requests'] as const;
const rawSums = averaged.map((column) => `total(${column}) AS ${column}, count(${column}) AS ${column}_of`);
const rolledSums = averaged.map(
  (column) =>
    `total(${column} * ups) AS ${column}, total(CASE WHEN ${column} IS NOT NULL THEN ups END) AS ${column}_of`,
);

export const seriesSql = {
  seriesUntil: `SELECT until FROM roll_ups WHERE resolution = ?`,
  seriesOrthancsRaw: distinctOrthancs('load_samples'),
  seriesOrthancsMinute: distinctOrthancs('load_minutes'),
  seriesOrthancsHour: distinctOrthancs('load_hours'),
  seriesLoadRaw: `
    SELECT ${bucketOf('at')}, count(*) AS samples, sum(up) AS ups, ${rawSums.join(', ')},
      max(instances) AS instances, max(disk_bytes) AS disk_bytes,
      0 AS transfers, 0 AS transferred_instances, 0 AS transferred_bytes, 0 AS transfer_ms, 0 AS decisions
    FROM load_samples INDEXED BY load_samples_orthanc
    WHERE orthanc = @orthanc AND at >= @since AND at < @until GROUP BY bucket`,
  seriesLoadMinute: rolledLoad('load_minutes'),
  seriesLoadHour: rolledLoad('load_hours'),
  seriesTransfers: `
    SELECT ${bucketOf('ended_at')}, count(*) AS transfers, sum(instances_sent) AS transferred_instances,
      sum(bytes_sent) AS transferred_bytes, sum(ended_at - started_at) AS transfer_ms
    FROM transfers INDEXED BY transfers_backend
    WHERE backend = @orthanc AND ended_at >= @since AND ended_at < @until AND instances_sent IS NOT NULL GROUP BY bucket`,
  seriesDecisions: `
    SELECT ${bucketOf('at')}, backend AS orthanc, count(*) AS decisions FROM decisions INDEXED BY decisions_placing
    WHERE at >= @since AND at < @until AND backend IS NOT NULL GROUP BY bucket, backend`,
  seriesFarmRaw: farmOf('farm_samples'),
  seriesFarmMinute: farmOf('farm_minutes'),
  seriesFarmHour: farmOf('farm_hours'),
} as const;

/** From one name to the next along the index: a walk over all rows would see each name a hundred thousand times. */
function distinctOrthancs(table: string): string {
  return `
    WITH RECURSIVE names (name) AS (
      SELECT min(orthanc) FROM ${table}
      UNION ALL
      SELECT (SELECT min(t.orthanc) FROM ${table} t WHERE t.orthanc > names.name) FROM names WHERE names.name IS NOT NULL)
    SELECT name FROM names WHERE name IS NOT NULL`;
}

function rolledLoad(table: string): string {
  return `
    SELECT ${bucketOf('at')}, sum(samples) AS samples, sum(ups) AS ups, ${rolledSums.join(', ')},
      max(instances) AS instances, max(disk_bytes) AS disk_bytes, sum(transfers) AS transfers,
      sum(transferred_instances) AS transferred_instances, sum(transferred_bytes) AS transferred_bytes,
      sum(transfer_ms) AS transfer_ms, sum(decisions) AS decisions
    FROM ${table} INDEXED BY ${table}_orthanc
    WHERE orthanc = @orthanc AND at >= @since AND at < @until GROUP BY bucket`;
}

function farmOf(table: string): string {
  return `
    SELECT ${bucketOf('at')}, sum(span_ms) AS span_ms, sum(in_instances) AS in_instances, sum(in_bytes) AS in_bytes,
      sum(out_instances) AS out_instances, sum(out_bytes) AS out_bytes, max(waiting) AS waiting,
      max(oldest_age_ms) AS oldest_age_ms, max(quarantined) AS quarantined
    FROM ${table} WHERE at >= @since AND at < @until GROUP BY bucket`;
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

  add({ bucket, ...columns }: Row): void {
    for (const [name, value] of Object.entries(columns)) {
      if (typeof value !== 'number') continue;
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
