import type { EpochMs } from '../study.ts';
import { accountedFor, provenOnce } from './assignments.ts';
import type { Connection } from './connection.ts';

export const releasesSql = {
  endDeliveries: `DELETE FROM deliveries WHERE instance = ?`,
  /** Whoever is gone is gone: what is left to say is whether a backend has it. */
  markAbsent: `
    UPDATE instances AS i SET
      state = CASE WHEN ${accountedFor} THEN 'removed' ELSE 'vanished' END,
      proven = ${provenOnce},
      changed_at = @now, quarantine_code = NULL, quarantine_detail = NULL
    WHERE i.id = @id
    RETURNING state, study, front`,
  studyUid: `SELECT uid FROM studies WHERE id = ?`,
  noteEvent: `INSERT INTO events (study, at, kind, text) VALUES (@study, @at, @kind, @text)`,
} as const;

/**
 * What follows when instances are found to be no longer on their front, whether the reconciler missed them there or a
 * transfer did. To be called inside a transaction.
 */
export interface Releases {
  /** `studies`: those that something vanished from. */
  absent(
    instances: readonly number[],
    now: EpochMs,
  ): { readonly removed: number; readonly vanished: number; readonly studies: readonly string[] };
}

export function createReleases(connection: Connection): Releases {
  const endDeliveries = connection.prepare(releasesSql.endDeliveries);
  const markAbsent = connection.prepare<{ state: string; study: number; front: string }>(
    releasesSql.markAbsent,
  );
  const studyUid = connection.prepare<{ uid: string }>(releasesSql.studyUid);
  const noteEvent = connection.prepare(releasesSql.noteEvent);

  return {
    absent(instances, now) {
      let removed = 0;
      let vanished = 0;
      const losses = new Map<number, { front: string; count: number }>();
      for (const id of instances) {
        endDeliveries.run(id);
        const row = markAbsent.get({ id, now });
        if (row?.state === 'removed') removed += 1;
        if (row?.state === 'vanished') {
          vanished += 1;
          losses.set(row.study, { front: row.front, count: (losses.get(row.study)?.count ?? 0) + 1 });
        }
      }
      const studies: string[] = [];
      for (const [study, { front, count }] of losses) {
        const text = `${count} instance${count === 1 ? '' : 's'} no longer on ${front}, deleted there before delivery was proven`;
        noteEvent.run({ study, at: now, kind: 'vanished', text });
        const uid = studyUid.get(study)?.uid;
        if (uid !== undefined) studies.push(uid);
      }
      return { removed, vanished, studies };
    },
  };
}
