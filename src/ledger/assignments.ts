import type { Assignment } from '../study.ts';

/** An assignment as the statements select it; the study is known to whoever asks. */
export interface AssignmentRow {
  readonly copy: number;
  readonly epoch: number;
  readonly backend: string;
  readonly decision: number;
  readonly assignedAt: number;
}

export function toAssignment(studyUid: string, row: AssignmentRow): Assignment {
  return {
    studyUid,
    copy: row.copy,
    epoch: row.epoch,
    backend: row.backend,
    decisionId: row.decision,
    assignedAt: row.assignedAt,
  };
}

/**
 * The instance `i` has a receipt for each current copy, of the content that stands on the front now: the one condition
 * under which it may leave.
 */
export const provenNow = `(
  EXISTS (SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL AND NOT EXISTS (
      SELECT 1 FROM receipts r
      WHERE r.instance = i.id AND r.copy = a.copy AND r.epoch = a.epoch AND r.round = i.round)))`;

/**
 * The same, with receipts of earlier rounds counting. It says how to call an instance that is gone already, and is never
 * the reason for a removal. A new round mostly means that nobody knows whether the content changed (the service was away,
 * a hook came late), and a removal that was under way then must not be reported as a loss.
 */
export const provenOnce = `(
  EXISTS (SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL AND NOT EXISTS (
      SELECT 1 FROM receipts r WHERE r.instance = i.id AND r.copy = a.copy AND r.epoch = a.epoch)))`;

/** A person had the instance `i` delivered outside of its study's assignments: content that stands on the front now. */
export const released = `EXISTS (SELECT 1 FROM receipts r WHERE r.instance = i.id AND r.copy = -1 AND r.round = i.round)`;

/** Proof of the instance `i` from a backend that nothing is known to have been deleted on since. */
const kept = `receipts r JOIN assignments h ON h.study = i.study AND h.copy = r.copy AND h.epoch = r.epoch AND h.emptied = 0
  WHERE r.instance = i.id`;

/** Some backend was proven to have the instance `i`, and has not been found empty since. */
export const keptSomewhere = `EXISTS (SELECT 1 FROM ${kept})`;

/**
 * An instance `i` that is gone from its front did not vanish: for every current copy a backend was proven to have it, under this
 * assignment or an earlier one, whose former copy is then still there; or a person gave it up, or had it delivered elsewhere.
 * Like `provenOnce` it is never the reason for a removal.
 */
export const accountedFor = `(i.discarded = 1 OR ${released} OR (
  EXISTS (SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL AND NOT EXISTS (
      SELECT 1 FROM ${kept} AND r.copy = a.copy))))`;
