import type { EpochMs, FormerCopy, FormerState } from '../study.ts';
import { keptSomewhere, provenNow, released } from './assignments.ts';
import type { Connection } from './connection.ts';
import type { FailoverLedger } from './ledger.ts';

const columns = `f.id, s.uid AS studyUid, f.copy, f.backend, coalesce(a.backend, '') AS target, f.state, f.since, f.reason,
  f.attempts, s.fronts`;

const list = (condition: string, index: string): string => `
  SELECT ${columns} FROM former_copies f ${index} CROSS JOIN studies s ON s.id = f.study
    LEFT JOIN assignments a ON a.study = f.study AND a.copy = f.copy AND a.ended_at IS NULL
  WHERE ${condition} ORDER BY f.id LIMIT @limit`;

export const formerCopiesSql = {
  healable: `
    SELECT ${columns} FROM former_copies f INDEXED BY former_copies_due CROSS JOIN studies s ON s.id = f.study
      CROSS JOIN assignments a ON a.study = f.study AND a.copy = f.copy AND a.ended_at IS NULL
    WHERE f.state <> 'conflict' AND f.not_before <= @now AND s.outstanding = 0 AND (s.assigned >= s.copies OR s.held = 0)
    ORDER BY f.id LIMIT @limit`,
  formerOf: list('f.study = (SELECT id FROM studies WHERE uid = @studyUid)', ''),
  formerOn: list('f.backend = @backend', 'INDEXED BY former_copies_backend'),
  formerAll: list('f.id > 0', ''),
  formerRow: `SELECT f.study, f.copy, f.backend, f.accepted FROM former_copies f WHERE f.id = ?`,
  receiptsNow: `
    SELECT i.orthanc_id AS orthancId, r.md5
    FROM studies s CROSS JOIN assignments a ON a.study = s.id AND a.copy = @copy AND a.ended_at IS NULL
      CROSS JOIN instances i ON i.study = s.id
      CROSS JOIN receipts r ON r.instance = i.id AND r.copy = a.copy AND r.epoch = a.epoch
    WHERE s.uid = @studyUid`,
  provenOn: `
    SELECT i.orthanc_id AS orthancId, r.md5, r.at
    FROM studies s CROSS JOIN instances i ON i.study = s.id CROSS JOIN receipts r ON r.instance = i.id
    WHERE s.uid = @studyUid AND r.backend = @backend
    UNION ALL
    SELECT m.orthanc_id, m.md5, m.at FROM studies s CROSS JOIN moves m ON m.study = s.id
    WHERE s.uid = @studyUid AND m.to_backend = @backend
    ORDER BY at`,
  moving: `UPDATE former_copies SET state = 'moving', reason = NULL WHERE id = ? AND state <> 'deleting'`,
  addMove: `
    INSERT INTO moves (study, orthanc_id, from_backend, to_backend, former, md5, bytes, at)
    VALUES (@study, @orthancId, @from, @to, @id, @md5, @bytes, @now)
    ON CONFLICT DO UPDATE SET former = excluded.former, md5 = excluded.md5, bytes = excluded.bytes, at = excluded.at`,
  /**
   * By the identifier, one after the other (`+` keeps SQLite from walking over the study's instances for each of thousands).
   * Only for what has left the front after it was proven with this very content, or whose new content a person accepted: what a
   * front still holds is proven by its own delivery. One that is just leaving may yet stay: then it counts as a proof of what
   * stands there, and must be one.
   */
  addReceiptMoved: `
    INSERT INTO receipts (instance, copy, epoch, round, backend, md5, at, transfer)
    SELECT i.id, @copy, @epoch, i.round, @to, @md5, @now, 0 FROM instances i
    WHERE +i.study = @study AND i.state IN ('removed', 'removing') AND i.orthanc_id = @orthancId AND (
      (i.state = 'removed' AND @accepted = 1)
      OR EXISTS (SELECT 1 FROM receipts r WHERE r.instance = i.id AND r.md5 = @md5 AND (i.state = 'removed' OR r.round = i.round)))
    ON CONFLICT DO NOTHING`,
  noteProvenMoved: `
    UPDATE instances AS i SET proven = 1
    WHERE +i.study = @study AND i.state IN ('removed', 'removing') AND i.proven = 0 AND i.orthanc_id = @orthancId AND ${provenNow}`,
  currentOf: `SELECT copy, epoch, backend FROM assignments WHERE study = ? AND ended_at IS NULL`,
  whole: `SELECT 1 FROM studies WHERE id = ? AND outstanding = 0 AND (assigned >= copies OR held = 0)`,
  unproven: `
    SELECT count(*) AS count FROM json_each(@ids) j
    WHERE NOT EXISTS (
      SELECT 1 FROM moves m WHERE m.study = @study AND m.orthanc_id = j.value AND m.from_backend = @from AND m.to_backend = @to
        AND m.former = @id)
    AND NOT EXISTS (
      SELECT 1 FROM instances i CROSS JOIN receipts r ON r.instance = i.id AND r.copy = @copy AND r.epoch = @epoch
      WHERE i.orthanc_id = j.value AND +i.study = @study)`,
  deleting: `UPDATE former_copies SET state = 'deleting', reason = NULL WHERE id = ?`,
  later: `
    UPDATE former_copies SET state = @state, reason = @reason, not_before = @notBefore, attempts = attempts + 1 WHERE id = @id`,
  /** What was proven before it was deleted there. Whoever deleted it may have died since, and knows less. */
  movedFrom: `
    SELECT count(*) AS instances, coalesce(sum(bytes), 0) AS bytes FROM (
      SELECT max(bytes) AS bytes FROM moves WHERE study = @study AND from_backend = @backend AND at >= @since GROUP BY orthanc_id)`,
  gone: `DELETE FROM former_copies WHERE id = ? RETURNING study, backend, since`,
  noteEmptied: `
    UPDATE assignments SET emptied = 1 WHERE study = @study AND backend = @backend AND ended_at IS NOT NULL AND emptied = 0`,
  /** What had left the front for that backend only, which was then deleted there by somebody, or lost. */
  lost: `
    UPDATE instances AS i SET state = 'vanished', changed_at = @now
    WHERE i.study = @study AND i.state = 'removed' AND i.proven = 0 AND i.discarded = 0 AND NOT ${released} AND NOT ${keptSomewhere}`,
  addEvent: `INSERT INTO events (study, at, kind, text) VALUES (@study, @at, @kind, @text)`,
  addEventOnce: `
    INSERT INTO events (study, at, kind, text) SELECT @study, @at, @kind, @text
    WHERE NOT EXISTS (SELECT 1 FROM events WHERE study = @study AND kind = @kind AND text = @text)`,
  /** Also what an evacuation set in motion before it was stopped. */
  countEvacuated: `
    UPDATE evacuations SET moved = moved + 1, moved_instances = moved_instances + @instances, moved_bytes = moved_bytes + @bytes
    WHERE backend = @backend AND (state = 'running' OR @since BETWEEN started_at AND ended_at)`,
  accept: `UPDATE former_copies SET accepted = 1, state = 'waiting', reason = NULL, not_before = 0 WHERE id = ? AND state = 'conflict'`,
  resumeMoving: `UPDATE former_copies SET state = 'waiting', not_before = 0 WHERE state = 'moving'`,
} as const;

interface FormerRow {
  readonly study: number;
  readonly copy: number;
  readonly backend: string;
  readonly accepted: number;
}

type ListedRow = Omit<FormerCopy, 'fronts'> & { readonly fronts: string };

type Part = Pick<
  FailoverLedger,
  | 'healable'
  | 'formerCopies'
  | 'receiptsOf'
  | 'provenOn'
  | 'formerMoving'
  | 'formerProven'
  | 'beginFormerRemoval'
  | 'formerLater'
  | 'formerGone'
  | 'formerIsShared'
  | 'settleFormerConflict'
  | 'formerConflictSettled'
>;

/** The part that follows former copies to their end. */
export function createFormerCopies(connection: Connection): Part {
  const sql = formerCopiesSql;
  const healable = connection.prepare<ListedRow>(sql.healable);
  const formerOf = connection.prepare<ListedRow>(sql.formerOf);
  const formerOn = connection.prepare<ListedRow>(sql.formerOn);
  const formerAll = connection.prepare<ListedRow>(sql.formerAll);
  const formerRow = connection.prepare<FormerRow>(sql.formerRow);
  const receiptsNow = connection.prepare<{ orthancId: string; md5: string }>(sql.receiptsNow);
  const provenOn = connection.prepare<{ orthancId: string; md5: string }>(sql.provenOn);
  const moving = connection.prepare(sql.moving);
  const addMove = connection.prepare(sql.addMove);
  const addReceiptMoved = connection.prepare(sql.addReceiptMoved);
  const noteProvenMoved = connection.prepare(sql.noteProvenMoved);
  const currentOf = connection.prepare<{ copy: number; epoch: number; backend: string }>(sql.currentOf);
  const whole = connection.prepare(sql.whole);
  const unproven = connection.prepare<{ count: number }>(sql.unproven);
  const deleting = connection.prepare(sql.deleting);
  const later = connection.prepare(sql.later);
  const end = connection.prepare<{ study: number; backend: string; since: EpochMs }>(sql.gone);
  const movedFrom = connection.prepare<{ instances: number; bytes: number }>(sql.movedFrom);
  const noteEmptied = connection.prepare(sql.noteEmptied);
  const lost = connection.prepare(sql.lost);
  const addEvent = connection.prepare(sql.addEvent);
  const addEventOnce = connection.prepare(sql.addEventOnce);
  const countEvacuated = connection.prepare(sql.countEvacuated);
  const accept = connection.prepare(sql.accept);

  /** Where the study of a row is bound now; null when the row, or the assignment, is no more. */
  function standing(id: number) {
    const row = formerRow.get(id);
    if (row === undefined) return null;
    const assignments = currentOf.all(row.study);
    const current = assignments.find((assignment) => assignment.copy === row.copy);
    if (current === undefined) return null;
    return { row, current, isCurrentThere: assignments.some(({ backend }) => backend === row.backend) };
  }

  return {
    healable: (now, limit) => connection.read(() => healable.all({ now, limit }).map(toFormer)),

    formerCopies: (filter = {}, limit = 1_000_000) =>
      connection.read(() => {
        const { studyUid, backend } = filter;
        const rows =
          studyUid !== undefined
            ? formerOf.all({ studyUid, limit })
            : backend !== undefined
              ? formerOn.all({ backend, limit })
              : formerAll.all({ limit });
        return rows.map(toFormer).filter((one) => backend === undefined || one.backend === backend);
      }),

    receiptsOf: (studyUid, copy) =>
      connection.read(
        () => new Map(receiptsNow.all({ studyUid, copy }).map(({ orthancId, md5 }) => [orthancId, md5])),
      ),

    provenOn: (studyUid, backend) =>
      connection.read(
        () => new Map(provenOn.all({ studyUid, backend }).map(({ orthancId, md5 }) => [orthancId, md5])),
      ),

    formerMoving(id) {
      connection.write(() => moving.run(id));
    },

    formerProven(id, proofs, now) {
      connection.write(() => {
        const found = standing(id);
        if (found === null) return;
        const { row, current } = found;
        const { study, copy, backend: from, accepted } = row;
        const { epoch, backend: to } = current;
        for (const { orthancId, md5, bytes } of proofs) {
          addMove.run({ id, study, orthancId, from, to, md5, bytes, now });
          addReceiptMoved.run({ study, copy, epoch, to, orthancId, md5, accepted, now });
          noteProvenMoved.run({ study, orthancId });
        }
      });
    },

    beginFormerRemoval: (id, orthancIds) =>
      connection.write(() => {
        const found = standing(id);
        if (found === null || found.isCurrentThere) return false;
        const { row, current } = found;
        if (whole.get(row.study) === undefined) return false;
        const { study, copy, backend: from } = row;
        const { epoch, backend: to } = current;
        const missing = unproven.get({ ids: JSON.stringify(orthancIds), id, study, copy, epoch, from, to });
        if (missing?.count !== 0) return false;
        deleting.run(id);
        return true;
      }),

    formerLater(id, { state, reason, notBefore }) {
      connection.write(() => later.run({ id, state, reason, notBefore }));
    },

    formerGone(id, moved, now) {
      connection.write(() => {
        const row = end.get(id);
        if (row === undefined) return;
        const { study, backend, since } = row;
        const kept = movedFrom.get({ study, backend, since });
        const instances = Math.max(moved.instances, kept?.instances ?? 0);
        const bytes = Math.max(moved.bytes, kept?.bytes ?? 0);
        const text =
          instances === 0
            ? `nothing of it is left on ${backend}`
            : `${numberOf(instances)} of it left ${backend}, each proven where the study is now`;
        addEvent.run({ study, at: now, kind: 'former-copy-gone', text });
        countEvacuated.run({ backend, since, instances, bytes });
        noteEmptied.run({ study, backend });
        const gone = lost.run({ study, now }).changes;
        if (gone === 0) return;
        const loss = `${numberOf(gone)} no longer on ${backend}, and proven nowhere else`;
        addEvent.run({ study, at: now, kind: 'vanished', text: loss });
      });
    },

    formerIsShared(id, other, now) {
      connection.write(() => {
        const row = end.get(id);
        if (row === undefined) return;
        const { study, backend } = row;
        const text = `${backend} and ${other} are one Orthanc: what ${backend} has of it is the very file that ${other} has, and was left alone`;
        addEventOnce.run({ study, at: now, kind: 'former-is-shared', text });
      });
    },

    settleFormerConflict(id) {
      connection.write(() => accept.run(id));
    },

    formerConflictSettled: (id) => connection.read(() => formerRow.get(id)?.accepted === 1),
  };
}

function numberOf(instances: number): string {
  return `${instances} instance${instances === 1 ? '' : 's'}`;
}

function toFormer({ fronts, ...row }: ListedRow): FormerCopy {
  const names: unknown = JSON.parse(fronts);
  const state: FormerState = row.state;
  return {
    ...row,
    state,
    fronts: Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [],
  };
}
