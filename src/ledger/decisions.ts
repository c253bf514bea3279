import type { Assignment, DecisionKind } from '../study.ts';
import { type AssignmentRow, toAssignment } from './assignments.ts';
import { createBindings } from './bindings.ts';
import { type Connection, unseen } from './connection.ts';
import { type DecisionLedger, LedgerError, type UnplacedStudy } from './ledger.ts';

const unplacedColumns = `uid AS studyUid, copies, modality, station, instances, bytes, first_seen_at AS firstSeenAt,
      last_news_at AS lastNewsAt`;

export const decisionsSql = {
  unplaced: `
    SELECT ${unplacedColumns}, assigned
    FROM studies INDEXED BY studies_unplaced WHERE held > 0 AND assigned < copies ORDER BY first_seen_at, id LIMIT ?`,
  /** A copy that was never decided upon is wanted too: the number of copies grows with the decision. */
  unplacedStudy: `
    SELECT ${unplacedColumns} FROM studies s
    WHERE uid = @studyUid AND held > 0
      AND NOT EXISTS (SELECT 1 FROM assignments a WHERE a.study = s.id AND a.copy = @copy AND a.ended_at IS NULL)`,
  assignmentsOf: `
    SELECT a.copy, a.epoch, a.backend, a.decision, a.assigned_at AS assignedAt
    FROM studies s CROSS JOIN assignments a ON a.study = s.id AND a.ended_at IS NULL
    WHERE s.uid = ${unseen('?')} ORDER BY a.copy`,
  findStudy: `SELECT id FROM studies WHERE uid = ?`,
  lastDecision: `SELECT kind, reason FROM decisions WHERE study = @study AND copy = @copy ORDER BY id DESC LIMIT 1`,
} as const;

type UnplacedRow = Omit<UnplacedStudy, 'copy'> & { readonly copies: number };

/** The part that remembers which backend each study goes to, and why. */
export function createDecisions(connection: Connection): DecisionLedger {
  const unplaced = connection.prepare<UnplacedRow & { assigned: number }>(decisionsSql.unplaced);
  const unplacedStudy = connection.prepare<UnplacedRow>(decisionsSql.unplacedStudy);
  const assignmentsOf = connection.prepare<AssignmentRow>(decisionsSql.assignmentsOf);
  const findStudy = connection.prepare<{ id: number }>(decisionsSql.findStudy);
  const lastDecision = connection.prepare<{ kind: DecisionKind; reason: string }>(decisionsSql.lastDecision);
  const bindings = createBindings(connection);

  const assignments = (studyUid: string): Assignment[] =>
    assignmentsOf.all(studyUid).map((row) => toAssignment(studyUid, row));

  return {
    unplaced: (limit) =>
      connection
        .read(() =>
          unplaced.all(limit).flatMap(({ copies, assigned, ...study }) => {
            // Nearly always there is none to ask for, and this list is made each second.
            const known = assigned === 0 ? [] : assignments(study.studyUid);
            const placed = new Set(known.map((assignment) => assignment.copy));
            const missing = Array.from({ length: copies }, (_unused, copy) => copy).filter(
              (copy) => !placed.has(copy),
            );
            return missing.map((copy) => ({ ...study, copy }));
          }),
        )
        .slice(0, limit),

    unplacedStudy: (studyUid, copy) =>
      connection.read(() => {
        const row = unplacedStudy.get({ studyUid, copy });
        if (row === undefined) return null;
        const { copies: _, ...study } = row;
        return { ...study, copy };
      }),

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
        // Whatever was looked up before: while its former copy is being deleted there, the study must not go back. It is
        // decided again at the next turn.
        if (backend !== null && bindings.deletingThere(study, backend)) return null;

        const epoch = bindings.nextEpoch(study, copy);
        const id = bindings.keep(study, epoch, decision);
        if (backend === null) return null;
        return bindings.bind(study, {
          studyUid,
          copy,
          epoch,
          backend,
          decision: id,
          at,
          clean: decision.clean ?? false,
          // A backend that was followed because it knows the study may hold these very instances.
          askFirst: decision.kind === 'followed',
        });
      }),
  };
}
