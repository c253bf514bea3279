import type { DecisionKind, EpochMs } from '../study.ts';
import type { Connection } from './connection.ts';

/** Images of a study that something happened to in the same minute or way. */
export interface TimelineGroup {
  readonly firstAt: EpochMs;
  readonly lastAt: EpochMs;
  readonly instances: number;
  readonly bytes: number;
}

export interface StudyTimeline {
  /** By front and minute, in their order. */
  readonly arrivals: readonly (TimelineGroup & { readonly front: string })[];
  /**
   * What each transfer proved, in their order. `front` and its start are null where the transfer is not kept any more, or there was none:
   * what was moved from backend to backend.
   */
  readonly proofs: readonly (TimelineGroup & {
    readonly backend: string;
    readonly copy: number;
    readonly epoch: number;
    readonly front: string | null;
    readonly startedAt: EpochMs | null;
  })[];
  /** What has left its front, or waits there for a person. */
  readonly ends: readonly (TimelineGroup & {
    readonly front: string;
    readonly state: 'removed' | 'vanished' | 'quarantined';
    readonly code: string | null;
    readonly detail: string | null;
  })[];
  readonly decisions: readonly {
    readonly id: number;
    readonly at: EpochMs;
    readonly kind: DecisionKind;
    readonly copy: number;
    readonly backend: string | null;
    readonly policy: string;
    readonly reason: string;
  }[];
  readonly acts: readonly {
    readonly at: EpochMs;
    readonly who: string;
    readonly action: string;
    readonly detail: string;
  }[];
}

export interface TimelineLedger {
  /** What the ledger knows of a study's life, but for its events; nothing of one it does not know. */
  timeline(studyUid: string): StudyTimeline;
}

export const timelineSql = {
  timelineArrivals: `
    SELECT i.front, min(i.arrived_at) AS firstAt, max(i.arrived_at) AS lastAt, count(*) AS instances, sum(i.bytes) AS bytes
    FROM studies s CROSS JOIN instances i ON i.study = s.id WHERE s.uid = ?
    GROUP BY i.front, i.arrived_at / 60000 ORDER BY firstAt`,
  timelineProofs: `
    SELECT r.backend, r.copy, r.epoch, t.front, t.started_at AS startedAt, min(r.at) AS firstAt, max(r.at) AS lastAt,
      count(*) AS instances, sum(i.bytes) AS bytes
    FROM studies s CROSS JOIN instances i ON i.study = s.id CROSS JOIN receipts r ON r.instance = i.id
      LEFT JOIN transfers t ON t.id = r.transfer
    WHERE s.uid = ? GROUP BY r.backend, r.copy, r.epoch, r.transfer ORDER BY coalesce(startedAt, firstAt)`,
  timelineEnds: `
    SELECT i.front, i.state, i.quarantine_code AS code, max(i.quarantine_detail) AS detail, min(i.changed_at) AS firstAt,
      max(i.changed_at) AS lastAt, count(*) AS instances, sum(i.bytes) AS bytes
    FROM studies s CROSS JOIN instances i ON i.study = s.id
    WHERE s.uid = ? AND i.state IN ('removed', 'vanished', 'quarantined')
    GROUP BY i.front, i.state, i.quarantine_code, i.changed_at / 60000 ORDER BY firstAt`,
  timelineDecisions: `
    SELECT d.id, d.at, d.kind, d.copy, d.backend, d.policy, d.reason
    FROM studies s CROSS JOIN decisions d ON d.study = s.id WHERE s.uid = ? ORDER BY d.id`,
  timelineActs: `SELECT at, who, action, detail FROM audit WHERE target = ? ORDER BY id`,
} as const;

/** The part that tells a study's life from what is kept of it; images in groups, since there may be thousands. */
export function createTimeline(connection: Connection): TimelineLedger {
  const arrivals = connection.prepare<StudyTimeline['arrivals'][number]>(timelineSql.timelineArrivals);
  const proofs = connection.prepare<StudyTimeline['proofs'][number]>(timelineSql.timelineProofs);
  const ends = connection.prepare<StudyTimeline['ends'][number]>(timelineSql.timelineEnds);
  const decisions = connection.prepare<StudyTimeline['decisions'][number]>(timelineSql.timelineDecisions);
  const acts = connection.prepare<StudyTimeline['acts'][number]>(timelineSql.timelineActs);

  return {
    timeline: (studyUid) =>
      connection.read(() => ({
        arrivals: arrivals.all(studyUid),
        proofs: proofs.all(studyUid),
        ends: ends.all(studyUid),
        decisions: decisions.all(studyUid),
        acts: acts.all(studyUid),
      })),
  };
}
