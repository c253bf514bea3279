import type { Evacuation } from '../study.ts';
import type { Connection } from './connection.ts';
import { type FailoverLedger, LedgerError } from './ledger.ts';

const columns = `backend, state, target, bytes_per_second AS bytesPerSecond, started_at AS startedAt, ended_at AS endedAt,
  studies, moved, moved_instances AS movedInstances, moved_bytes AS movedBytes, waiting`;

export const evacuationsSql = {
  /** One that runs goes on with its new settings; one that is over begins anew. */
  startEvacuation: `
    INSERT INTO evacuations (backend, state, target, bytes_per_second, started_at)
    VALUES (@backend, 'running', @target, @bytesPerSecond, @now)
    ON CONFLICT (backend) DO UPDATE SET target = excluded.target, bytes_per_second = excluded.bytes_per_second,
      started_at = CASE WHEN state = 'running' THEN started_at ELSE excluded.started_at END,
      studies = CASE WHEN state = 'running' THEN studies ELSE 0 END,
      moved = CASE WHEN state = 'running' THEN moved ELSE 0 END,
      moved_instances = CASE WHEN state = 'running' THEN moved_instances ELSE 0 END,
      moved_bytes = CASE WHEN state = 'running' THEN moved_bytes ELSE 0 END,
      state = 'running', ended_at = NULL, waiting = NULL`,
  evacuation: `SELECT ${columns} FROM evacuations WHERE backend = ?`,
  evacuations: `SELECT ${columns} FROM evacuations ORDER BY backend`,
  countStudies: `UPDATE evacuations SET studies = @studies WHERE backend = @backend`,
  noteWaiting: `UPDATE evacuations SET waiting = @waiting WHERE backend = @backend`,
  endEvacuation: `
    UPDATE evacuations SET state = @state, ended_at = @now, waiting = NULL WHERE backend = @backend AND state = 'running'`,
} as const;

type Part = Pick<
  FailoverLedger,
  'startEvacuation' | 'evacuation' | 'evacuations' | 'noteEvacuation' | 'endEvacuation'
>;

/** The part that remembers which backends are being emptied. A row a backend, its last evacuation. */
export function createEvacuations(connection: Connection): Part {
  const start = connection.prepare(evacuationsSql.startEvacuation);
  const one = connection.prepare<Evacuation>(evacuationsSql.evacuation);
  const all = connection.prepare<Evacuation>(evacuationsSql.evacuations);
  const countStudies = connection.prepare(evacuationsSql.countStudies);
  const noteWaiting = connection.prepare(evacuationsSql.noteWaiting);
  const end = connection.prepare(evacuationsSql.endEvacuation);

  return {
    startEvacuation: (evacuation, now) =>
      connection.write(() => {
        start.run({ ...evacuation, now });
        const row = one.get(evacuation.backend);
        if (row === undefined) throw new LedgerError('failed', 'The evacuation was not kept.');
        return row;
      }),
    evacuation: (backend) => connection.read(() => one.get(backend) ?? null),
    evacuations: () => connection.read(() => all.all()),
    noteEvacuation(backend, { studies, waiting }) {
      connection.write(() => {
        if (studies !== undefined) countStudies.run({ backend, studies });
        if (waiting !== undefined) noteWaiting.run({ backend, waiting });
      });
    },
    endEvacuation(backend, state, now) {
      connection.write(() => end.run({ backend, state, now }));
    },
  };
}
