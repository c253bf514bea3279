import type { EpochMs } from '../study.ts';
import type { Connection } from './connection.ts';

/** What was learnt of one backend, as numbers. */
export interface KeptServiceModel {
  readonly backend: string;
  readonly secondsPerTransfer: number;
  readonly secondsPerInstance: number;
  readonly secondsPerByte: number;
  /** [oo, os, ss, co, cs, cc] */
  readonly covariance: readonly [number, number, number, number, number, number];
  readonly logEfficiency: number;
  readonly logBaseline: number;
  readonly samples: number;
  readonly sampledAt: EpochMs | null;
}

/** A study with its size so far and where it is bound. */
export interface StudySoFar {
  readonly studyUid: string;
  readonly modality: string | null;
  readonly station: string | null;
  readonly instances: number;
  readonly bytes: number;
  readonly firstSeenAt: EpochMs;
  readonly lastNewsAt: EpochMs;
  /** Backends its copies are bound to; none: it has not been placed. */
  readonly backends: readonly string[];
}

/** What decisions learn from, and what they have learnt. */
export interface LearningLedger {
  serviceModels(): readonly KeptServiceModel[];
  /** Each in place of what was kept of its backend; all or none. @throws LedgerError `failed` also for what is no finite number. */
  keepServiceModels(models: readonly KeptServiceModel[]): void;
  /** Studies with their last news in [from, to], the oldest news first. */
  news(from: EpochMs, to: EpochMs): readonly StudySoFar[];
  /** One study; null: it was never heard of. */
  studySoFar(studyUid: string): StudySoFar | null;
  /** The studies that were removed from their fronts last: those that are whole. The latest last. */
  finished(limit: number): readonly Omit<StudySoFar, 'backends'>[];
}

const sizeColumns = `s.uid AS studyUid, s.modality, s.station, s.instances, s.bytes, s.first_seen_at AS firstSeenAt,
  s.last_news_at AS lastNewsAt`;
const soFarColumns = `${sizeColumns},
  (SELECT json_group_array(a.backend) FROM assignments a WHERE a.study = s.id AND a.ended_at IS NULL) AS backends`;

export const learningSql = {
  serviceModels: `
    SELECT backend, seconds_per_transfer AS secondsPerTransfer, seconds_per_instance AS secondsPerInstance, seconds_per_byte AS secondsPerByte, covariance_oo AS oo,
      covariance_os AS os, covariance_ss AS ss, covariance_co AS co, covariance_cs AS cs, covariance_cc AS cc, log_efficiency AS logEfficiency, log_baseline AS logBaseline, samples,
      sampled_at AS sampledAt
    FROM service_models ORDER BY backend`,
  keepServiceModel: `
    INSERT OR REPLACE INTO service_models (backend, seconds_per_transfer, seconds_per_instance, seconds_per_byte, covariance_oo, covariance_os,
      covariance_ss, covariance_co, covariance_cs, covariance_cc, log_efficiency, log_baseline, samples, sampled_at)
    VALUES (@backend, @secondsPerTransfer, @secondsPerInstance, @secondsPerByte, @oo, @os, @ss, @co, @cs, @cc, @logEfficiency,
      @logBaseline, @samples, @sampledAt)`,
  news: `
    SELECT ${soFarColumns} FROM studies s INDEXED BY studies_news
    WHERE s.last_news_at >= @from AND s.last_news_at <= @to ORDER BY s.last_news_at, s.id`,
  studySoFar: `SELECT ${soFarColumns} FROM studies s WHERE s.uid = ?`,
  finished: `
    SELECT ${sizeColumns} FROM studies s INDEXED BY studies_state
    WHERE s.state = 'removed' ORDER BY s.last_news_at DESC, s.id DESC LIMIT ?`,
} as const;

type ModelRow = Omit<KeptServiceModel, 'covariance'> & {
  readonly oo: number;
  readonly os: number;
  readonly ss: number;
  readonly co: number;
  readonly cs: number;
  readonly cc: number;
};
type SoFarRow = Omit<StudySoFar, 'backends'> & { readonly backends: string };

/** The part that remembers what was learnt, and shows what can be learnt from. */
export function createLearningPart(connection: Connection): LearningLedger {
  const serviceModels = connection.prepare<ModelRow>(learningSql.serviceModels);
  const keepServiceModel = connection.prepare(learningSql.keepServiceModel);
  const news = connection.prepare<SoFarRow>(learningSql.news);
  const studySoFar = connection.prepare<SoFarRow>(learningSql.studySoFar);
  const finished = connection.prepare<Omit<StudySoFar, 'backends'>>(learningSql.finished);

  return {
    serviceModels: () =>
      connection.read(() =>
        serviceModels.all().map(({ oo, os, ss, co, cs, cc, ...model }) => ({
          ...model,
          covariance: [oo, os, ss, co, cs, cc],
        })),
      ),
    keepServiceModels(models) {
      connection.write(() => {
        for (const { covariance, ...model } of models) {
          const [oo, os, ss, co, cs, cc] = covariance;
          keepServiceModel.run({ ...model, oo, os, ss, co, cs, cc });
        }
      });
    },
    news: (from, to) => connection.read(() => news.all({ from, to }).map(toSoFar)),
    studySoFar: (studyUid) =>
      connection.read(() => {
        const row = studySoFar.get(studyUid);
        return row === undefined ? null : toSoFar(row);
      }),
    finished: (limit) => connection.read(() => finished.all(limit).toReversed()),
  };
}

function toSoFar({ backends, ...study }: SoFarRow): StudySoFar {
  const names: unknown = JSON.parse(backends);
  return {
    ...study,
    backends: Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [],
  };
}
