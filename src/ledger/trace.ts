import BetterSqlite3, { type Database } from 'better-sqlite3';
import type { EpochMs } from '../study.ts';
import { toLedgerError } from './errors.ts';
import { LedgerError } from './ledger.ts';
import { migrations } from './migrations.ts';

/** One study as it came, and what became of it. */
export interface RecordedStudy {
  readonly studyUid: string;
  readonly modality: string | null;
  readonly station: string | null;
  /** Arrival of each image on a front, in order; without those that came long after the others. */
  readonly arrivals: readonly EpochMs[];
  /** Images that came long after the others, or again. */
  readonly late: number;
  readonly bytes: number;
  /** Where it is bound, and by which policy; null: it is not. */
  readonly backend: string | null;
  readonly policy: string | null;
  readonly assignedAt: EpochMs | null;
  /** Last receipt of those images, of its first copy; null: not everything is proven. */
  readonly availableAt: EpochMs | null;
  /** It was bound more than once. */
  readonly rebound: boolean;
}

/** One transfer that ended. */
export interface RecordedTransfer {
  readonly backend: string;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs;
  /** What was really moved. */
  readonly instances: number;
  readonly bytes: number;
  readonly ok: boolean;
}

/** A minute in which an Orthanc was polled. */
export interface RecordedMinute {
  readonly at: EpochMs;
  readonly orthanc: string;
  /** Share of polls that were answered, 0 to 1. */
  readonly up: number;
}

export interface Trace {
  /** Those whose first image arrived in the span, in that order. */
  readonly studies: readonly RecordedStudy[];
  /** Those that began in the span. */
  readonly transfers: readonly RecordedTransfer[];
  readonly minutes: readonly RecordedMinute[];
}

/** What comes after so long a pause is another delivery of the same study, and none of a modality at work. */
const pauseMs = 30 * 60_000;

export const traceSql = {
  /** By the last news, which is never before the first: so the index leaves out what is older. */
  studiesSince: `
    SELECT s.id, s.uid AS studyUid, s.modality, s.station, s.bytes FROM studies s INDEXED BY studies_news
    WHERE s.last_news_at >= @from AND s.first_seen_at >= @from AND s.first_seen_at < @to ORDER BY s.first_seen_at, s.id`,
  arrivalsOf: `SELECT arrived_at AS at FROM instances WHERE study = ? AND state <> 'vanished' ORDER BY arrived_at`,
  bindingOf: `
    SELECT a.backend, a.epoch, a.assigned_at AS assignedAt, d.policy
    FROM assignments a LEFT JOIN decisions d ON d.id = a.decision
    WHERE a.study = ? AND a.copy = 0 AND a.ended_at IS NULL`,
  provenOf: `
    SELECT count(*) AS count, max(r.at) AS at FROM instances i CROSS JOIN receipts r ON r.instance = i.id
    WHERE i.study = @study AND i.state <> 'vanished' AND i.arrived_at <= @until AND r.copy = 0 AND r.epoch = @epoch`,
  transfersIn: `
    SELECT backend, started_at AS startedAt, ended_at AS endedAt, instances_sent AS instances, bytes_sent AS bytes,
      code = 'done' AS ok
    FROM transfers INDEXED BY transfers_ended
    WHERE ended_at >= @from AND started_at >= @from AND started_at < @to AND instances_sent IS NOT NULL
    ORDER BY ended_at`,
  minutesIn: `
    SELECT at, orthanc, CASE WHEN samples = 0 THEN 1.0 ELSE 1.0 * ups / samples END AS up
    FROM load_minutes WHERE at >= @from AND at < @to ORDER BY at, orthanc`,
} as const;

/**
 * Reads from a ledger, or from a copy of one, what came in a span of time and what became of it. Nothing is written, no version is
 * changed, and a service that is using the ledger goes on: each statement is read to its end at once and holds nothing. Beside a
 * ledger that nobody has open SQLite leaves its empty log; removing it was rejected, since a service may have started meanwhile.
 *
 * @throws LedgerError `failed` when there is no file or it is no ledger, `newer` when a later release wrote it, `damaged`, `busy`
 */
export function readTrace(file: string, span: { readonly from: EpochMs; readonly to: EpochMs }): Trace {
  let db: Database | undefined;
  try {
    db = new BetterSqlite3(file, { readonly: true, fileMustExist: true });
    checkVersion(db, file);
    return traceOf(db, span);
  } catch (error) {
    throw toLedgerError(error);
  } finally {
    db?.close();
  }
}

function checkVersion(db: Database, file: string): void {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version < 1) throw new LedgerError('failed', `${file} is no ledger`);
  if (version > migrations.length) {
    throw new LedgerError(
      'newer',
      `${file} has version ${version}, this release knows ${migrations.length}: use the newer release`,
    );
  }
}

function traceOf(db: Database, span: { readonly from: EpochMs; readonly to: EpochMs }): Trace {
  const studies = db.prepare<
    unknown[],
    Pick<RecordedStudy, 'studyUid' | 'modality' | 'station' | 'bytes'> & { readonly id: number }
  >(traceSql.studiesSince);
  const arrivalsOf = db.prepare<unknown[], number>(traceSql.arrivalsOf).pluck();
  const bindingOf = db.prepare<
    unknown[],
    {
      readonly backend: string;
      readonly epoch: number;
      readonly assignedAt: number;
      readonly policy: string | null;
    }
  >(traceSql.bindingOf);
  const provenOf = db.prepare<unknown[], { readonly count: number; readonly at: number | null }>(
    traceSql.provenOf,
  );
  const transfers = db.prepare<unknown[], Omit<RecordedTransfer, 'ok'> & { readonly ok: number }>(
    traceSql.transfersIn,
  );
  const minutes = db.prepare<unknown[], RecordedMinute>(traceSql.minutesIn);

  return {
    studies: studies.all(span).map(({ id, ...study }): RecordedStudy => {
      const all = arrivalsOf.all(id);
      const pause = all.findIndex((at, index) => at - (all[index - 1] ?? at) > pauseMs);
      const arrivals = pause === -1 ? all : all.slice(0, pause);
      const until = arrivals.at(-1) ?? 0;
      const binding = bindingOf.get(id);
      const proven =
        binding === undefined ? undefined : provenOf.get({ study: id, epoch: binding.epoch, until });
      const isWhole = proven !== undefined && proven.count > 0 && proven.count >= arrivals.length;
      return {
        ...study,
        arrivals,
        late: all.length - arrivals.length,
        bytes: all.length === 0 ? 0 : (study.bytes * arrivals.length) / all.length,
        backend: binding?.backend ?? null,
        policy: binding?.policy ?? null,
        assignedAt: binding?.assignedAt ?? null,
        availableAt: isWhole ? proven.at : null,
        rebound: (binding?.epoch ?? 1) > 1,
      };
    }),
    transfers: transfers.all(span).map((transfer) => ({ ...transfer, ok: transfer.ok === 1 })),
    minutes: minutes.all(span),
  };
}
