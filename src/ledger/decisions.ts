import type { Assignment, DecisionKind, StudyToPlace } from '../study.ts';
import { type AssignmentRow, provenNow, toAssignment } from './assignments.ts';
import type { Connection } from './connection.ts';
import { type DecisionLedger, LedgerError } from './ledger.ts';

export const decisionsSql = {
  unplaced: `
    SELECT uid AS studyUid, copies, modality, station, instances, bytes, first_seen_at AS firstSeenAt
    FROM studies WHERE held > 0 AND assigned < copies ORDER BY first_seen_at, id LIMIT ?`,
  assignmentsOf: `
    SELECT a.copy, a.epoch, a.backend, a.decision, a.assigned_at AS assignedAt
    FROM studies s CROSS JOIN assignments a ON a.study = s.id AND a.ended_at IS NULL
    WHERE s.uid = ? ORDER BY a.copy`,
  findStudy: `SELECT id FROM studies WHERE uid = ?`,
  lastDecision: `SELECT kind, reason FROM decisions WHERE study = @study AND copy = @copy ORDER BY id DESC LIMIT 1`,
  lastEpoch: `SELECT max(epoch) AS epoch FROM assignments WHERE study = @study AND copy = @copy`,
  addDecision: `
    INSERT INTO decisions (study, copy, epoch, at, policy, kind, backend, reason, considered)
    VALUES (@study, @copy, @epoch, @at, @policy, @kind, @backend, @reason, @considered)
    RETURNING id`,
  notePlacement: `
    INSERT INTO backends (name, last_placement) VALUES (@backend, @decision)
    ON CONFLICT (name) DO UPDATE SET last_placement = excluded.last_placement`,
  addAssignment: `
    INSERT INTO assignments (study, copy, epoch, backend, decision, assigned_at)
    VALUES (@study, @copy, @epoch, @backend, @decision, @at)`,
  /** A copy that was decided upon is wanted from then on. */
  noteOutcome: `UPDATE studies SET waiting_reason = @waitingReason, copies = max(copies, @copy + 1) WHERE id = @study`,
  queueHeld: `
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at, ask_first)
    SELECT i.id, i.study, @copy, @epoch, i.front, @backend, i.bytes, i.arrived_at, @askFirst
    FROM instances i WHERE i.study = @study AND i.state = 'held' ORDER BY i.arrived_at, i.id`,
  /** What was proven for the former copies is not yet for this one. */
  unprove: `UPDATE instances AS i SET proven = 0 WHERE i.study = @study AND i.proven = 1 AND NOT ${provenNow}`,
} as const;

/** The part that remembers which backend each study goes to, and why. */
export function createDecisions(connection: Connection): DecisionLedger {
  const unplaced = connection.prepare<Omit<StudyToPlace, 'copy'> & { copies: number }>(decisionsSql.unplaced);
  const assignmentsOf = connection.prepare<AssignmentRow>(decisionsSql.assignmentsOf);
  const findStudy = connection.prepare<{ id: number }>(decisionsSql.findStudy);
  const lastDecision = connection.prepare<{ kind: DecisionKind; reason: string }>(decisionsSql.lastDecision);
  const lastEpoch = connection.prepare<{ epoch: number | null }>(decisionsSql.lastEpoch);
  const addDecision = connection.prepare<{ id: number }>(decisionsSql.addDecision);
  const notePlacement = connection.prepare(decisionsSql.notePlacement);
  const addAssignment = connection.prepare(decisionsSql.addAssignment);
  const noteOutcome = connection.prepare(decisionsSql.noteOutcome);
  const queueHeld = connection.prepare(decisionsSql.queueHeld);
  const unprove = connection.prepare(decisionsSql.unprove);

  const assignments = (studyUid: string): Assignment[] =>
    assignmentsOf.all(studyUid).map((row) => toAssignment(studyUid, row));

  return {
    unplaced: (limit) =>
      connection
        .read(() =>
          unplaced.all(limit).flatMap(({ copies, ...study }) => {
            const placed = new Set(assignments(study.studyUid).map((assignment) => assignment.copy));
            const missing = Array.from({ length: copies }, (_unused, copy) => copy).filter(
              (copy) => !placed.has(copy),
            );
            return missing.map((copy) => ({ ...study, copy }));
          }),
        )
        .slice(0, limit),

    assignments: (studyUid) => connection.read(() => assignments(studyUid)),

    decide: (decision) =>
      connection.write(() => {
        const { studyUid, copy, backend, at } = decision;
        const study = findStudy.get(studyUid)?.id;
        if (study === undefined)
          throw new LedgerError('failed', `Nothing of study ${studyUid} was ever received.`);

        const current = assignments(studyUid).find((assignment) => assignment.copy === copy);
        if (current !== undefined) return current;

        if (backend === null) {
          const last = lastDecision.get({ study, copy });
          if (last?.kind === 'waiting' && last.reason === decision.reason) return null;
        }
        const epoch = (lastEpoch.get({ study, copy })?.epoch ?? 0) + 1;
        const { considered, policy, kind, reason } = decision;
        const added = addDecision.get({
          study,
          copy,
          epoch,
          at,
          policy,
          kind,
          backend,
          reason,
          considered: JSON.stringify(considered),
        });
        if (added === undefined) throw new Error('SQLite gave no row after the decision was added');

        noteOutcome.run({ study, copy, waitingReason: backend === null ? reason : null });
        if (backend === null) return null;

        notePlacement.run({ backend, decision: added.id });
        addAssignment.run({ study, copy, epoch, backend, decision: added.id, at });
        unprove.run({ study });
        // A backend that was followed because it knows the study may hold these very instances.
        queueHeld.run({ study, copy, epoch, backend, askFirst: kind === 'followed' ? 1 : 0 });
        return { studyUid, copy, epoch, backend, decisionId: added.id, assignedAt: at };
      }),
  };
}
