import { released } from './assignments.ts';
import { auditAdder } from './audit.ts';
import type { Connection } from './connection.ts';
import type { QuarantinedInstance, QuarantineLedger } from './ledger.ts';

export const quarantineSql = {
  quarantinedOne: `
    SELECT i.front, i.orthanc_id AS orthancId, s.uid AS studyUid, i.sop_uid AS sopUid, i.quarantine_code AS code,
      i.quarantine_detail AS detail, i.bytes, i.changed_at AS since
    FROM instances i CROSS JOIN studies s ON s.id = i.study
    WHERE i.orthanc_id = @orthancId AND i.front = @front AND i.state = 'quarantined'`,
  /** Nobody knows what happened at the backend since: nothing that was proven before counts. */
  requeue: `
    UPDATE instances SET state = 'held', round = round + 1, proven = 0, changed_at = @now, quarantine_code = NULL, quarantine_detail = NULL
    WHERE study = (SELECT id FROM studies WHERE uid = @studyUid) AND state = 'quarantined' AND discarded = 0
      AND (@orthancId IS NULL OR orthanc_id = @orthancId)
    RETURNING id`,
  forgetRefusals: `DELETE FROM refusals WHERE instance = ?`,
  queueRequeued: `
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at, ask_first)
    SELECT i.id, i.study, a.copy, a.epoch, i.front, a.backend, i.bytes, i.arrived_at, 1
    FROM instances i JOIN assignments a ON a.study = i.study AND a.ended_at IS NULL
    WHERE i.id = ?`,
  addReleased: `
    INSERT INTO receipts (instance, copy, epoch, round, backend, md5, at, transfer)
    SELECT i.id, -1, 0, i.round, @backend, @md5, @now, 0 FROM instances i
    WHERE i.orthanc_id = @orthancId AND i.front = @front AND i.state = 'quarantined'
    ON CONFLICT (instance, copy, epoch) DO UPDATE SET round = excluded.round, backend = excluded.backend, md5 = excluded.md5, at = excluded.at
    RETURNING instance`,
  markDiscarded: `
    UPDATE instances SET discarded = 1
    WHERE orthanc_id = @orthancId AND front = @front AND state IN ('quarantined', 'vanished') AND discarded = 0
    RETURNING id`,
  instanceOf: `SELECT study, bytes, quarantine_code AS code, state FROM instances WHERE id = ?`,
  addNote: `INSERT INTO events (study, at, kind, text) VALUES (@study, @at, @kind, @text)`,
  letGo: `
    UPDATE instances AS i SET state = 'removed', changed_at = @now, quarantine_code = NULL, quarantine_detail = NULL
    WHERE i.orthanc_id = @orthancId AND i.front = @front AND i.state IN ('quarantined', 'vanished')
      AND (i.discarded = 1 OR ${released})`,
} as const;

/** The part that does what a person decided about single instances. */
export function createQuarantine(connection: Connection): QuarantineLedger {
  const sql = quarantineSql;
  const one = connection.prepare<QuarantinedInstance>(sql.quarantinedOne);
  const requeue = connection.prepare<{ id: number }>(sql.requeue);
  const forgetRefusals = connection.prepare(sql.forgetRefusals);
  const queueRequeued = connection.prepare(sql.queueRequeued);
  const addReleased = connection.prepare<{ instance: number }>(sql.addReleased);
  const markDiscarded = connection.prepare<{ id: number }>(sql.markDiscarded);
  const instanceOf = connection.prepare<{
    study: number;
    bytes: number;
    code: string | null;
    state: string;
  }>(sql.instanceOf);
  const addNote = connection.prepare(sql.addNote);
  const addEntry = auditAdder(connection);
  const letGo = connection.prepare(sql.letGo);

  return {
    quarantinedInstance: (front, orthancId) => connection.read(() => one.get({ front, orthancId }) ?? null),

    requeue: (studyUid, orthancId, now, entryOf) =>
      connection.write(() => {
        const rows = requeue.all({ studyUid, orthancId, now });
        for (const { id } of rows) {
          forgetRefusals.run(id);
          queueRequeued.run(id);
        }
        if (rows.length > 0 && entryOf !== undefined) addEntry(entryOf(rows.length));
        return rows.length;
      }),

    released(front, orthancId, { backend, md5 }, now) {
      connection.write(() => {
        const added = addReleased.get({ front, orthancId, backend, md5, now });
        const row = added === undefined ? undefined : instanceOf.get(added.instance);
        if (row === undefined) return;
        const text = `${orthancId}: released to ${backend}, proven there (MD5 ${md5})`;
        addNote.run({ study: row.study, at: now, kind: 'released', text });
      });
    },

    discarded: (front, orthancId, entry) =>
      connection.write(() => {
        const marked = markDiscarded.get({ front, orthancId });
        const row = marked === undefined ? undefined : instanceOf.get(marked.id);
        if (row === undefined) return false;
        const { at, who } = entry;
        const why = row.state === 'vanished' ? 'vanished from the front' : `in quarantine as ${row.code}`;
        const text = `${orthancId}: given up by ${who} (${row.bytes} bytes, ${why})`;
        addNote.run({ study: row.study, at, kind: 'discarded', text });
        addEntry(entry);
        return true;
      }),

    letGo: (front, orthancId, now) =>
      connection.write(() => letGo.run({ front, orthancId, now }).changes > 0),
  };
}
