import type { EpochMs } from '../study.ts';
import type { Connection } from './connection.ts';

/** What a second policy would have done with a study that the first one placed. */
export interface ShadowChoice {
  readonly studyUid: string;
  readonly copy: number;
  readonly at: EpochMs;
  readonly policy: string;
  readonly backend: string;
  /** Seconds until it was expected to be available there; null: nobody can say. */
  readonly seconds: number | null;
  readonly shadow: string;
  /** `failed`: the second policy threw; `reason` is what it said. */
  readonly shadowKind: 'place' | 'wait' | 'failed';
  /** Where it would have placed it, or what it would have waited for; null: nothing. */
  readonly shadowBackend: string | null;
  readonly shadowSeconds: number | null;
  readonly reason: string;
}

/** Choices that agree in everything but the study, counted. */
export interface ShadowCount
  extends Pick<ShadowChoice, 'policy' | 'backend' | 'shadow' | 'shadowKind' | 'shadowBackend'> {
  readonly studies: number;
  /** Of them those for which both times are known, and the sums of those. */
  readonly timed: number;
  readonly seconds: number;
  readonly shadowSeconds: number;
}

export interface ShadowSpan {
  readonly from: EpochMs;
  readonly to: EpochMs;
}

export interface ShadowLedger {
  /**
   * Keeps choices, each once: a later one of the same study and copy replaces it. Those whose study is not bound to `backend` are left
   * out: that placement was never committed. Deletes some of what is older than `keepSince`.
   */
  noteShadow(choices: readonly ShadowChoice[], keepSince: EpochMs): void;
  shadowCounts(span: ShadowSpan): readonly ShadowCount[];
  /** Newest first, only those where the second policy would have done otherwise. */
  shadowDiffering(span: ShadowSpan, limit: number): readonly ShadowChoice[];
}

/** Rows deleted by one call: a little more than it can bring. */
const thinRows = 1_000;

const columns = `c.copy, c.at, c.policy, c.backend, c.seconds, c.shadow, c.shadow_kind AS shadowKind,
  c.shadow_backend AS shadowBackend, c.shadow_seconds AS shadowSeconds, c.reason`;
const timed = '(c.seconds IS NOT NULL AND c.shadow_seconds IS NOT NULL)';

export const shadowSql = {
  noteShadow: `
    INSERT OR REPLACE INTO shadow_choices
      (study, copy, at, policy, backend, seconds, shadow, shadow_kind, shadow_backend, shadow_seconds, reason)
    SELECT s.id, @copy, @at, @policy, @backend, @seconds, @shadow, @shadowKind, @shadowBackend, @shadowSeconds, @reason
    FROM studies s WHERE s.uid = @studyUid AND EXISTS (
      SELECT 1 FROM assignments a WHERE a.study = s.id AND a.copy = @copy AND a.ended_at IS NULL AND a.backend = @backend)`,
  thinShadow: `
    DELETE FROM shadow_choices WHERE (study, copy) IN (
      SELECT study, copy FROM shadow_choices WHERE at < @before ORDER BY at LIMIT @rows)`,
  shadowCounts: `
    SELECT c.policy, c.backend, c.shadow, c.shadow_kind AS shadowKind, c.shadow_backend AS shadowBackend, count(*) AS studies,
      sum(${timed}) AS timed, total(CASE WHEN ${timed} THEN c.seconds END) AS seconds,
      total(CASE WHEN ${timed} THEN c.shadow_seconds END) AS shadowSeconds
    FROM shadow_choices c INDEXED BY shadow_choices_at WHERE c.at >= @from AND c.at < @to
    GROUP BY c.policy, c.backend, c.shadow, c.shadow_kind, c.shadow_backend
    ORDER BY studies DESC, c.backend, c.shadow_backend`,
  shadowDiffering: `
    SELECT s.uid AS studyUid, ${columns}
    FROM shadow_choices c INDEXED BY shadow_choices_at CROSS JOIN studies s ON s.id = c.study
    WHERE c.at >= @from AND c.at < @to AND (c.shadow_kind <> 'place' OR c.shadow_backend <> c.backend)
    ORDER BY c.at DESC LIMIT @limit`,
} as const;

/** The part that remembers what a policy on trial would have chosen. */
export function createShadowPart(connection: Connection): ShadowLedger {
  const note = connection.prepare(shadowSql.noteShadow);
  const thin = connection.prepare(shadowSql.thinShadow);
  const counts = connection.prepare<ShadowCount>(shadowSql.shadowCounts);
  const differing = connection.prepare<ShadowChoice>(shadowSql.shadowDiffering);

  return {
    noteShadow(choices, keepSince) {
      connection.write(() => {
        for (const choice of choices) note.run({ ...choice });
        thin.run({ before: keepSince, rows: thinRows });
      });
    },
    shadowCounts: (span) => connection.read(() => counts.all({ ...span })),
    shadowDiffering: (span, limit) => connection.read(() => differing.all({ ...span, limit })),
  };
}
