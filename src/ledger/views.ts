import type { ConsideredBackend, Decision, DecisionKind, StudyState } from '../study.ts';
import { type AssignmentRow, toAssignment } from './assignments.ts';
import type { Connection } from './connection.ts';
import { cursorOf, readCursor } from './cursor.ts';
import { createFormerCopies } from './former-copies.ts';
import {
  LedgerError,
  type QuarantinedInstance,
  type QueueView,
  type StudyView,
  type ViewLedger,
} from './ledger.ts';
import { createStudyQueries, type StudyRow, studyColumns } from './study-queries.ts';

export const viewsSql = {
  study: `SELECT ${studyColumns} FROM studies s WHERE s.uid = ?`,
  currentOf: `
    SELECT copy, epoch, backend, decision, assigned_at AS assignedAt FROM assignments
    WHERE study = ? AND ended_at IS NULL ORDER BY copy`,
  oldestFailure: `SELECT failure FROM deliveries WHERE study = ? AND failure IS NOT NULL ORDER BY id LIMIT 1`,
  firstQuarantine: `
    SELECT quarantine_code || ': ' || quarantine_detail AS failure FROM instances
    WHERE study = ? AND state = 'quarantined' LIMIT 1`,
  decisions: `
    SELECT d.id, d.copy, d.epoch, d.at, d.policy, d.kind, d.backend, d.reason, d.considered
    FROM studies s CROSS JOIN decisions d ON d.study = s.id WHERE s.uid = ? ORDER BY d.id`,
  events: `
    SELECT e.at, e.kind, e.text FROM studies s CROSS JOIN events e ON e.study = s.id WHERE s.uid = ? ORDER BY e.id`,
  addEvent: `
    INSERT INTO events (study, at, kind, text) SELECT id, @at, @kind, @text FROM studies WHERE uid = @studyUid`,
  /** Nothing else has happened to the study since. */
  saidAlready: `
    SELECT 1 FROM studies s CROSS JOIN events e ON e.study = s.id
    WHERE s.uid = @studyUid AND e.kind = @kind AND e.text = @text
      AND NOT EXISTS (SELECT 1 FROM events n WHERE n.study = s.id AND n.id > e.id AND n.kind <> @kind)
    LIMIT 1`,
  quarantined: `
    SELECT i.id, i.front, i.orthanc_id AS orthancId, s.uid AS studyUid, i.sop_uid AS sopUid, i.quarantine_code AS code,
      i.quarantine_detail AS detail, i.bytes, i.changed_at AS since
    FROM instances i CROSS JOIN studies s ON s.id = i.study
    WHERE i.state = 'quarantined' AND (i.changed_at, i.id) > (@at, @id)
    ORDER BY i.changed_at, i.id LIMIT @limit`,
  totals: `SELECT * FROM totals WHERE id = 1`,
  oldestUnproven: `SELECT min(arrived_at) AS at FROM instances WHERE state = 'held' AND proven = 0`,
  countUnplaced: `SELECT count(*) AS count FROM studies INDEXED BY studies_unplaced WHERE held > 0 AND assigned < copies`,
  queues: `
    SELECT b.name AS backend, b.studies, b.instances, b.bytes, b.sending, b.retrying, b.last_failure AS lastFailure,
      (SELECT min(d.arrived_at) FROM deliveries d WHERE d.backend = b.name) AS oldestAt,
      CASE WHEN EXISTS (
        SELECT 1 FROM deliveries d INDEXED BY deliveries_ready WHERE d.backend = b.name AND d.transfer IS NULL AND d.not_before = 0) THEN 0
        ELSE (SELECT min(d.not_before) FROM deliveries d WHERE d.backend = b.name AND d.transfer IS NULL AND d.not_before > 0)
      END AS nextAttemptAt
    FROM backends b WHERE b.instances > 0 ORDER BY b.name`,
  countFormer: `
    SELECT count(*) AS copies, coalesce(sum(state = 'conflict'), 0) AS conflicts FROM former_copies`,
  receipts: `
    SELECT i.orthanc_id AS orthancId, i.sop_uid AS sopUid, r.backend, r.copy, r.epoch, r.md5, r.at
    FROM studies s CROSS JOIN instances i ON i.study = s.id CROSS JOIN receipts r ON r.instance = i.id
    WHERE s.uid = ? ORDER BY i.id, r.copy, r.epoch`,
} as const;

interface TotalsRow {
  readonly received: number;
  readonly proven: number;
  readonly removed: number;
  readonly vanished: number;
  readonly placed: number;
  readonly followed: number;
  readonly waiting: number;
  readonly rebound: number;
  readonly unproven: number;
  readonly unproven_bytes: number;
  readonly settling: number;
  readonly quarantined: number;
}

type QuarantinedRow = QuarantinedInstance & { readonly id: number };

/** The part that shows people what there is. It changes nothing, but for the events others add to a study. */
export function createViews(connection: Connection): ViewLedger {
  const study = connection.prepare<StudyRow>(viewsSql.study);
  const currentOf = connection.prepare<AssignmentRow>(viewsSql.currentOf);
  const oldestFailure = connection.prepare<{ failure: string }>(viewsSql.oldestFailure);
  const firstQuarantine = connection.prepare<{ failure: string }>(viewsSql.firstQuarantine);
  const decisions = connection.prepare<Omit<Decision, 'studyUid' | 'considered'> & { considered: string }>(
    viewsSql.decisions,
  );
  const events = connection.prepare<{ at: number; kind: string; text: string }>(viewsSql.events);
  const addEvent = connection.prepare(viewsSql.addEvent);
  const saidAlready = connection.prepare<unknown>(viewsSql.saidAlready);
  const quarantined = connection.prepare<QuarantinedRow>(viewsSql.quarantined);
  const totals = connection.prepare<TotalsRow>(viewsSql.totals);
  const oldestUnproven = connection.prepare<{ at: number | null }>(viewsSql.oldestUnproven);
  const countUnplaced = connection.prepare<{ count: number }>(viewsSql.countUnplaced);
  const queues = connection.prepare<QueueView['backends'][number]>(viewsSql.queues);
  const receipts = connection.prepare<ReturnType<ViewLedger['receipts']>[number]>(viewsSql.receipts);
  const studies = createStudyQueries(connection);
  const { formerCopies } = createFormerCopies(connection);
  const countFormer = connection.prepare<{ copies: number; conflicts: number }>(viewsSql.countFormer);

  function waitingFor(row: StudyRow, state: StudyState): string | null {
    if (state === 'received')
      return row.waitingReason ?? 'waits its turn: studies that came before it are placed first';
    if (state === 'healing') {
      const [former] = formerCopies({ studyUid: row.uid });
      return former === undefined
        ? null
        : `a part is on ${former.backend} still: ${former.reason ?? former.state}`;
    }
    // Nothing of these is to be delivered any more, and so nothing has failed: of a long list most are such.
    if (state === 'removed' || state === 'verified') return null;
    const failure = oldestFailure.get(row.id)?.failure;
    if (state !== 'quarantined') return failure ?? null;
    return firstQuarantine.get(row.id)?.failure ?? failure ?? null;
  }

  function toView(row: StudyRow): StudyView {
    return {
      studyUid: row.uid,
      state: row.state,
      waiting: waitingFor(row, row.state),
      assignments: currentOf.all(row.id).map((found) => toAssignment(row.uid, found)),
      formerCopies: row.former === 0 ? [] : formerCopies({ studyUid: row.uid }),
      modality: row.modality,
      station: row.station,
      remoteAet: row.remoteAet,
      calledAet: row.calledAet,
      fronts: strings(row.fronts),
      firstSeenAt: row.firstSeenAt,
      lastNewsAt: row.lastNewsAt,
      instances: {
        received: row.instances,
        verified: row.verified,
        removed: row.removed - row.discarded,
        quarantined: row.quarantined,
        vanished: row.vanished,
        discarded: row.discarded,
      },
      bytes: row.bytes,
    };
  }

  return {
    study: (uid) =>
      connection.read(() => {
        const row = study.get(uid);
        return row === undefined ? null : toView(row);
      }),

    studies: (filter, page) =>
      connection.read(() => {
        const { rows, next } = studies.page(filter, page);
        return { items: rows.map(toView), next };
      }),

    decisions: (studyUid) =>
      connection.read(() =>
        decisions
          .all(studyUid)
          .map((row) => ({ ...row, studyUid, considered: consideredOf(row.considered) })),
      ),

    events: (studyUid) => connection.read(() => events.all(studyUid)),

    addEvent(studyUid, event) {
      // An instance in quarantine is looked at again and again, and is found as it was.
      const { kind, text } = event;
      if (kind === 'conflict-quarantined' && connection.read(() => saidAlready.get({ studyUid, kind, text })))
        return;
      const added = connection.write(() => addEvent.run({ studyUid, ...event }).changes);
      if (added === 0) throw new LedgerError('failed', `Nothing of study ${studyUid} was ever received.`);
    },

    quarantined: ({ limit, cursor }) =>
      connection.read(() => {
        const after = cursor === undefined ? { at: Number.MIN_SAFE_INTEGER, id: 0 } : readCursor(cursor);
        const rows = quarantined.all({ ...after, limit: limit + 1 });
        const last = rows[limit - 1];
        return {
          items: rows.slice(0, limit).map(toQuarantined),
          next: rows.length > limit && last !== undefined ? cursorOf(last.since, last.id) : null,
        };
      }),

    queue: () =>
      connection.read(() => {
        const counted = requireTotals(totals.get());
        const former = countFormer.get();
        return {
          instances: counted.unproven,
          bytes: counted.unproven_bytes,
          oldestAt: oldestUnproven.get()?.at ?? null,
          quarantined: counted.quarantined,
          unplacedStudies: countUnplaced.get()?.count ?? 0,
          settling: counted.settling,
          formerCopies: former?.copies ?? 0,
          formerConflicts: former?.conflicts ?? 0,
          backends: queues.all(),
        };
      }),

    receipts: (studyUid) => connection.read(() => receipts.all(studyUid)),

    totals: () =>
      connection.read(() => {
        const { received, proven, removed, vanished, placed, followed, waiting, rebound } = requireTotals(
          totals.get(),
        );
        const byKind: Record<DecisionKind, number> = { placed, followed, waiting, rebound };
        return { received, proven, removed, vanished, decisions: byKind };
      }),
  };
}

function toQuarantined(row: QuarantinedRow): QuarantinedInstance {
  const { front, orthancId, studyUid, sopUid, code, detail, bytes, since } = row;
  return { front, orthancId, studyUid, sopUid, code, detail, bytes, since };
}

function requireTotals(row: TotalsRow | undefined): TotalsRow {
  if (row === undefined) throw new LedgerError('damaged', 'The ledger has lost its totals.');
  return row;
}

function strings(json: string): string[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** What `decide` wrote; not looked at again item by item. */
function consideredOf(json: string): ConsideredBackend[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value : [];
}
