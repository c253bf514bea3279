import type { Assignment, DecisionKind, EpochMs } from '../study.ts';
import { provenNow } from './assignments.ts';
import type { Connection } from './connection.ts';
import type { NewDecision } from './ledger.ts';

export const bindingsSql = {
  addDecision: `
    INSERT INTO decisions (study, copy, epoch, at, policy, kind, backend, reason, considered)
    VALUES (@study, @copy, @epoch, @at, @policy, @kind, @backend, @reason, @considered)
    RETURNING id`,
  lastEpoch: `SELECT max(epoch) AS epoch FROM assignments WHERE study = @study AND copy = @copy`,
  notePlacement: `
    INSERT INTO backends (name, last_placement) VALUES (@backend, @decision)
    ON CONFLICT (name) DO UPDATE SET last_placement = excluded.last_placement`,
  addAssignment: `
    INSERT INTO assignments (study, copy, epoch, backend, decision, assigned_at, clean)
    VALUES (@study, @copy, @epoch, @backend, @decision, @at, @clean)`,
  /** A copy that was decided upon is wanted from then on. */
  noteOutcome: `UPDATE studies SET waiting_reason = @waitingReason, copies = max(copies, @copy + 1) WHERE id = @study`,
  queueHeld: `
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at, ask_first)
    SELECT i.id, i.study, @copy, @epoch, i.front, @backend, i.bytes, i.arrived_at, @askFirst
    FROM instances i WHERE i.study = @study AND i.state = 'held' ORDER BY i.arrived_at, i.id`,
  /** What was proven for the former copies is not yet for this one. */
  unprove: `UPDATE instances AS i SET proven = 0 WHERE i.study = @study AND i.proven = 1 AND NOT ${provenNow}`,
  deletingThere: `SELECT 1 FROM former_copies WHERE study = @study AND backend = @backend AND state = 'deleting'`,
  noFormer: `DELETE FROM former_copies WHERE study = @study AND backend = @backend RETURNING 1 AS was`,
} as const;

/** What is common to placing a study and to placing it anew. To be called inside a transaction. */
export interface Bindings {
  /** The backend is being asked to delete what it has of the study: nothing may be bound to it meanwhile. */
  deletingThere(study: number, backend: string): boolean;
  /** Keeps the decision, and what it says of the study. Returns its number. */
  keep(
    study: number,
    epoch: number,
    decision: Omit<NewDecision, 'studyUid' | 'clean'> & { readonly kind: DecisionKind },
  ): number;
  /** The epoch a next assignment has. */
  nextEpoch(study: number, copy: number): number;
  /** The assignment, with a delivery for everything the fronts hold of the study. A former copy there is none any more. */
  bind(
    study: number,
    to: {
      readonly studyUid: string;
      readonly copy: number;
      readonly epoch: number;
      readonly backend: string;
      readonly decision: number;
      readonly at: EpochMs;
      readonly clean: boolean;
      readonly askFirst: boolean;
    },
  ): Assignment;
}

export function createBindings(connection: Connection): Bindings {
  const addDecision = connection.prepare<{ id: number }>(bindingsSql.addDecision);
  const lastEpoch = connection.prepare<{ epoch: number | null }>(bindingsSql.lastEpoch);
  const notePlacement = connection.prepare(bindingsSql.notePlacement);
  const addAssignment = connection.prepare(bindingsSql.addAssignment);
  const noteOutcome = connection.prepare(bindingsSql.noteOutcome);
  const queueHeld = connection.prepare(bindingsSql.queueHeld);
  const unprove = connection.prepare(bindingsSql.unprove);
  const deletingThere = connection.prepare(bindingsSql.deletingThere);
  const noFormer = connection.prepare(bindingsSql.noFormer);

  return {
    deletingThere: (study, backend) => deletingThere.get({ study, backend }) !== undefined,

    keep(study, epoch, { copy, at, policy, kind, backend, reason, considered }) {
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
      return added.id;
    },

    nextEpoch: (study, copy) => (lastEpoch.get({ study, copy })?.epoch ?? 0) + 1,

    bind(study, { studyUid, copy, epoch, backend, decision, at, clean, askFirst }) {
      const hadSome = noFormer.get({ study, backend }) !== undefined;
      notePlacement.run({ backend, decision });
      addAssignment.run({ study, copy, epoch, backend, decision, at, clean: clean && !hadSome ? 1 : 0 });
      unprove.run({ study });
      queueHeld.run({ study, copy, epoch, backend, askFirst: askFirst || hadSome ? 1 : 0 });
      return { studyUid, copy, epoch, backend, decisionId: decision, assignedAt: at };
    },
  };
}
