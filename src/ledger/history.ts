import type { Connection } from './connection.ts';
import type { HistoryLedger, HistoryPoint, HistoryResolution } from './ledger.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/**
 * Already rolled up and rolled up again: a sample or the end of a transfer may be noted a little after its time. Also what
 * thinning leaves for the next roll-up.
 */
const againMs = { minute: 5 * minuteMs, hour: 2 * hourMs };

/** Rows of each table deleted by one call, so that a large backlog never holds the event loop; the next call goes on. */
const thinRows = 10_000;

const signals = 'latency_ms, jobs_pending, jobs_running, active_requests, instances, disk_bytes';
const moved = 'transfers, transferred_instances, transferred_bytes, transfer_ms';
const farm = 'span_ms, in_instances, in_bytes, out_instances, out_bytes, waiting, oldest_age_ms, quarantined';

/** Averages of minutes weigh by the samples that answered: those that did not have no signals. */
const weighted = (column: string): string =>
  `sum(${column} * ups) / sum(CASE WHEN ${column} IS NOT NULL THEN ups END)`;

export const historySql = {
  addSample: `
    INSERT OR REPLACE INTO load_samples (at, orthanc, up, ${signals})
    VALUES (@at, @orthanc, @up, @latencyMs, @jobsPending, @jobsRunning, @activeRequests, @instances, @diskBytes)`,
  rolledUntil: `SELECT until FROM roll_ups WHERE resolution = ?`,
  setRolledUntil: `
    INSERT INTO roll_ups (resolution, until) VALUES (@resolution, @until) ON CONFLICT (resolution) DO UPDATE SET until = excluded.until`,
  addFarmSample: `
    INSERT OR REPLACE INTO farm_samples (at, ${farm})
    VALUES (@at, @spanMs, @inInstances, @inBytes, @outInstances, @outBytes, @waitingInstances, @oldestAgeMs, @quarantined)`,
  /** Orthancs with samples, transfers, decisions, or some of these. */
  rollMinutes: `
    INSERT OR REPLACE INTO load_minutes (at, orthanc, samples, ups, ${signals}, ${moved}, decisions)
    SELECT minute, orthanc, sum(samples), sum(ups), max(latency_ms), max(jobs_pending), max(jobs_running), max(active_requests),
      max(instances), max(disk_bytes), sum(transfers), sum(transferred_instances), sum(transferred_bytes), sum(transfer_ms),
      sum(decisions)
    FROM (
      SELECT at / 60000 * 60000 AS minute, orthanc, count(*) AS samples, sum(up) AS ups, avg(latency_ms) AS latency_ms,
        avg(jobs_pending) AS jobs_pending, avg(jobs_running) AS jobs_running, avg(active_requests) AS active_requests,
        max(instances) AS instances, max(disk_bytes) AS disk_bytes,
        0 AS transfers, 0 AS transferred_instances, 0 AS transferred_bytes, 0 AS transfer_ms, 0 AS decisions
      FROM load_samples WHERE at >= @from AND at < @to GROUP BY minute, orthanc
      UNION ALL
      SELECT ended_at / 60000 * 60000 AS minute, backend, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL,
        count(*), sum(instances_sent), sum(bytes_sent), sum(ended_at - started_at), 0
      FROM transfers WHERE ended_at >= @from AND ended_at < @to AND instances_sent IS NOT NULL GROUP BY minute, backend
      UNION ALL
      SELECT at / 60000 * 60000 AS minute, backend, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, count(*)
      FROM decisions INDEXED BY decisions_placing WHERE at >= @from AND at < @to AND backend IS NOT NULL GROUP BY minute, backend
    ) GROUP BY minute, orthanc`,
  rollHours: `
    INSERT OR REPLACE INTO load_hours (at, orthanc, samples, ups, ${signals}, ${moved}, decisions)
    SELECT at / 3600000 * 3600000 AS hour, orthanc, sum(samples), sum(ups), ${weighted('latency_ms')}, ${weighted('jobs_pending')},
      ${weighted('jobs_running')}, ${weighted('active_requests')}, max(instances), max(disk_bytes),
      sum(transfers), sum(transferred_instances), sum(transferred_bytes), sum(transfer_ms), sum(decisions)
    FROM load_minutes WHERE at >= @from AND at < @to GROUP BY hour, orthanc`,
  rollFarmMinutes: rolledFarm('farm_minutes', 'farm_samples', minuteMs),
  rollFarmHours: rolledFarm('farm_hours', 'farm_minutes', hourMs),
  thinSamples: `
    DELETE FROM load_samples WHERE (at, orthanc) IN (
      SELECT at, orthanc FROM load_samples WHERE at < @before ORDER BY at, orthanc LIMIT @rows)`,
  thinMinutes: `
    DELETE FROM load_minutes WHERE (at, orthanc) IN (
      SELECT at, orthanc FROM load_minutes WHERE at < @before ORDER BY at, orthanc LIMIT @rows)`,
  thinHours: `
    DELETE FROM load_hours WHERE (at, orthanc) IN (
      SELECT at, orthanc FROM load_hours WHERE at < @before ORDER BY at, orthanc LIMIT @rows)`,
  thinFarmSamples: thinnedFarm('farm_samples'),
  thinFarmMinutes: thinnedFarm('farm_minutes'),
  thinFarmHours: thinnedFarm('farm_hours'),
  thinTransfers: `
    DELETE FROM transfers WHERE id IN (SELECT id FROM transfers WHERE ended_at < @before ORDER BY ended_at LIMIT @rows)`,
  raw: rawQuery(''),
  rawOf: rawQuery('s.orthanc = @orthanc AND'),
  minutes: rolledQuery('load_minutes', ''),
  minutesOf: rolledQuery('load_minutes', 'orthanc = @orthanc AND'),
  hours: rolledQuery('load_hours', ''),
  hoursOf: rolledQuery('load_hours', 'orthanc = @orthanc AND'),
} as const;

/** What came and went adds up; of what waited the peak is kept, for that is what somebody looks for. */
function rolledFarm(into: string, from: string, ms: number): string {
  return `
    INSERT OR REPLACE INTO ${into} (at, ${farm})
    SELECT at / ${ms} * ${ms} AS start, sum(span_ms), sum(in_instances), sum(in_bytes), sum(out_instances), sum(out_bytes),
      max(waiting), max(oldest_age_ms), max(quarantined)
    FROM ${from} WHERE at >= @from AND at < @to GROUP BY start`;
}

function thinnedFarm(table: string): string {
  return `
    DELETE FROM ${table} WHERE at IN (SELECT at FROM ${table} WHERE at < @before ORDER BY at LIMIT @rows)`;
}

/** The interval of a raw sample reaches back to the one before, but never further than a minute. */
function rawQuery(filter: string): string {
  return `
    SELECT p.at, p.orthanc, p.up, p.latency_ms AS latencyMs, p.jobs_pending AS jobsPending, p.jobs_running AS jobsRunning,
      p.active_requests AS activeRequests, p.instances, p.disk_bytes AS diskBytes,
      count(t.id) AS transfers, coalesce(sum(t.instances_sent), 0) AS transferredInstances,
      coalesce(sum(t.bytes_sent), 0) AS transferredBytes, coalesce(sum(t.ended_at - t.started_at), 0) AS transferMs
    FROM (
      SELECT s.*, max(s.at - 60000, coalesce(
        (SELECT max(b.at) FROM load_samples b WHERE b.orthanc = s.orthanc AND b.at < s.at), 0)) AS since
      FROM load_samples s WHERE ${filter} s.at >= @from AND s.at < @to ORDER BY s.at, s.orthanc LIMIT @limit
    ) p
    LEFT JOIN transfers t ON t.backend = p.orthanc AND t.ended_at > p.since AND t.ended_at <= p.at AND t.instances_sent IS NOT NULL
    GROUP BY p.at, p.orthanc ORDER BY p.at, p.orthanc`;
}

function rolledQuery(table: string, filter: string): string {
  // Of one Orthanc, whatever statistics say: by time alone all the others would be walked over.
  const index = filter === '' ? '' : `INDEXED BY ${table}_orthanc`;
  return `
    SELECT at, orthanc, CASE WHEN samples = 0 THEN 0.0 ELSE 1.0 * ups / samples END AS up, latency_ms AS latencyMs,
      jobs_pending AS jobsPending, jobs_running AS jobsRunning, active_requests AS activeRequests, instances,
      disk_bytes AS diskBytes, transfers, transferred_instances AS transferredInstances,
      transferred_bytes AS transferredBytes, transfer_ms AS transferMs
    FROM ${table} ${index} WHERE ${filter} at >= @from AND at < @to ORDER BY at, orthanc LIMIT @limit`;
}

type PointRow = Omit<HistoryPoint, 'transferSeconds'> & { readonly transferMs: number };

/** The part that remembers how busy each Orthanc was, finely for a while and coarsely for long. */
export function createHistory(connection: Connection): HistoryLedger {
  const addSample = connection.prepare(historySql.addSample);
  const rolledUntil = connection.prepare<{ until: number }>(historySql.rolledUntil);
  const setRolledUntil = connection.prepare(historySql.setRolledUntil);
  const addFarmSample = connection.prepare(historySql.addFarmSample);
  const rollMinutes = connection.prepare(historySql.rollMinutes);
  const rollHours = connection.prepare(historySql.rollHours);
  const rollFarmMinutes = connection.prepare(historySql.rollFarmMinutes);
  const rollFarmHours = connection.prepare(historySql.rollFarmHours);
  const thinSamples = connection.prepare(historySql.thinSamples);
  const thinMinutes = connection.prepare(historySql.thinMinutes);
  const thinHours = connection.prepare(historySql.thinHours);
  const thinTransfers = connection.prepare(historySql.thinTransfers);
  const thinFarmSamples = connection.prepare(historySql.thinFarmSamples);
  const thinFarmMinutes = connection.prepare(historySql.thinFarmMinutes);
  const thinFarmHours = connection.prepare(historySql.thinFarmHours);
  const points: Record<HistoryResolution, { all: ReturnType<typeof query>; one: ReturnType<typeof query> }> =
    {
      raw: { all: query(historySql.raw), one: query(historySql.rawOf) },
      minute: { all: query(historySql.minutes), one: query(historySql.minutesOf) },
      hour: { all: query(historySql.hours), one: query(historySql.hoursOf) },
    };

  function query(sql: string) {
    return connection.prepare<PointRow>(sql);
  }

  const until = (resolution: 'minute' | 'hour'): number => rolledUntil.get(resolution)?.until ?? 0;

  return {
    addSamples(samples) {
      connection.write(() => {
        for (const sample of samples) addSample.run({ ...sample, up: sample.up ? 1 : 0 });
      });
    },

    addFarmSample(sample) {
      connection.write(() => addFarmSample.run({ ...sample }));
    },

    rollUp(now) {
      connection.write(() => {
        const lastMinute = Math.floor(now / minuteMs) * minuteMs;
        const minutesFrom = until('minute') - againMs.minute;
        const minutes = { from: minutesFrom, to: lastMinute };
        rollMinutes.run(minutes);
        rollFarmMinutes.run(minutes);
        setRolledUntil.run({ resolution: 'minute', until: lastMinute });

        const lastHour = Math.floor(now / hourMs) * hourMs;
        const hoursFrom = Math.floor((until('hour') - againMs.hour) / hourMs) * hourMs;
        const hours = { from: hoursFrom, to: lastHour };
        rollHours.run(hours);
        rollFarmHours.run(hours);
        setRolledUntil.run({ resolution: 'hour', until: lastHour });
      });
    },

    thin(now, keep) {
      connection.write(() => {
        const rows = thinRows;
        const rolledMinutes = until('minute') - againMs.minute;
        const rolledHours = until('hour') - againMs.hour;
        const samplesBefore = { before: Math.min(now - keep.rawMs, rolledMinutes), rows };
        thinSamples.run(samplesBefore);
        thinFarmSamples.run(samplesBefore);
        // Minutes are what hours are made of, and transfers what minutes are: as long as the minutes, since estimates learn from them.
        const minutesBefore = { before: Math.min(now - keep.minutesMs, rolledHours), rows };
        thinMinutes.run(minutesBefore);
        thinFarmMinutes.run(minutesBefore);
        thinTransfers.run({ before: Math.min(now - keep.minutesMs, rolledMinutes), rows });
        const hoursBefore = { before: now - keep.hoursMs, rows };
        thinHours.run(hoursBefore);
        thinFarmHours.run(hoursBefore);
      });
    },

    history: ({ orthanc, from, to, resolution, limit }) =>
      connection.read(() => {
        const { all, one } = points[resolution];
        const rows =
          orthanc === undefined ? all.all({ from, to, limit }) : one.all({ orthanc, from, to, limit });
        return rows.map(({ transferMs, ...point }) => ({ ...point, transferSeconds: transferMs / 1000 }));
      }),
  };
}
