/*
 * How series are read. Each statement answers a row for each interval (`bucket`) in which there is anything.
 */

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
