import { type Connection, unseen } from './connection.ts';
import type { DoubtLedger } from './ledger.ts';

export const doubtSql = {
  /** What the fronts would be asked to let go of, and the backend that is to be asked first: one row for each copy. */
  leaving: `
    SELECT DISTINCT i.orthanc_id AS orthancId, a.copy, a.backend
    FROM studies s CROSS JOIN assignments a ON a.study = s.id AND a.ended_at IS NULL
      CROSS JOIN instances i INDEXED BY instances_study ON i.study = s.id AND i.state = 'held' AND i.proven = 1
    WHERE s.uid = ${unseen('?')}`,
  doubted: `
    UPDATE instances SET round = round + 1, proven = 0
    WHERE id IN (
      SELECT i.id FROM studies s CROSS JOIN instances i INDEXED BY instances_study ON i.study = s.id AND i.state = 'held'
      WHERE s.uid = @studyUid AND i.orthanc_id IN (SELECT value FROM json_each(@ids)))
    RETURNING id`,
  endDoubted: `DELETE FROM deliveries WHERE instance = ?`,
  queueDoubted: `
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at, ask_first)
    SELECT i.id, i.study, a.copy, a.epoch, i.front, a.backend, i.bytes, i.arrived_at, 1
    FROM instances i JOIN assignments a ON a.study = i.study AND a.ended_at IS NULL
    WHERE i.id = ?`,
  noteDoubt: `
    INSERT INTO events (study, at, kind, text) SELECT id, @now, 'doubted', @text FROM studies WHERE uid = @studyUid`,
} as const;

/** The part that takes a proof back, when a backend says that it does not hold any more what it was proven to hold. */
export function createDoubt(connection: Connection): DoubtLedger {
  const leaving = connection.prepare<{ orthancId: string; copy: number; backend: string }>(doubtSql.leaving);
  const doubted = connection.prepare<{ id: number }>(doubtSql.doubted);
  const endDoubted = connection.prepare(doubtSql.endDoubted);
  const queueDoubted = connection.prepare(doubtSql.queueDoubted);
  const noteDoubt = connection.prepare(doubtSql.noteDoubt);

  return {
    leaving: (studyUid) =>
      connection.read(() => {
        const byBackend = new Map<string, string[]>();
        for (const { backend, orthancId } of leaving.all(studyUid)) {
          const ids = byBackend.get(backend);
          if (ids === undefined) byBackend.set(backend, [orthancId]);
          else ids.push(orthancId);
        }
        return byBackend;
      }),

    doubt: (studyUid, orthancIds, backend, now) =>
      connection.write(() => {
        const rows = doubted.all({ studyUid, ids: JSON.stringify(orthancIds) });
        for (const { id } of rows) {
          endDoubted.run(id);
          queueDoubted.run(id);
        }
        if (rows.length > 0) {
          const text = `${backend} does not hold any more ${rows.length === 1 ? 'one instance' : `${rows.length} instances`} that it was proven to hold; delivered again`;
          noteDoubt.run({ studyUid, now, text });
        }
        return rows.length;
      }),
  };
}
