import { prior } from '../../backends/model/service.ts';

/** One transfer as it was, with the company it had. */
export interface Observation {
  readonly instances: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Transfers to the same backend at the same time, itself included, on average over its time; at least 1. */
  readonly company: number;
}

/** How a backend takes images, as its transfers show it: (setup + n · o + B · s) · (1 + contention · (company − 1)) seconds. */
export interface Law {
  readonly setupSeconds: number;
  readonly secondsPerInstance: number;
  readonly secondsPerByte: number;
  readonly contention: number;
}

/** Without a transfer nobody knows; then it is what the service assumes before the first one. */
export const unmeasured: Law = {
  setupSeconds: 0.02,
  secondsPerInstance: prior.secondsPerInstance,
  secondsPerByte: prior.secondsPerByte,
  contention: 0.5,
};

/**
 * From transfers that do not hinder each other to ones that together are no faster than one; the assumption first, which stands where
 * none of them ever had company.
 */
const contentions = [unmeasured.contention, 0, 0.25, 0.75, 1];
/** Transfers that what was assumed counts as: enough where all are alike and the three figures cannot be told apart. */
const assumedWeight = { before: 0.5, fromOthers: 3 };
/** Of what is assumed, at the least: a figure of nothing would be one that its backend can never be slow at. */
const leastShare = 0.02;
/** Times are recorded in milliseconds. */
const leastSeconds = 0.001;
/** A transfer further off than this is taken for one with a mishap, and counts no more than if it were just so far off. */
const farOff = 3;

/**
 * The law that fits these transfers best, by least squares. A transfer counts by the root of its time: by its time the few large ones would
 * decide alone, and by the relative error the many small ones. None of its figures is negative.
 *
 * @param like what it is taken to be like where its own transfers do not say; as many times slower as they are
 */
export function fitLaw(observations: readonly Observation[], like: Law | null = null): Law {
  const usable = observations.filter(
    ({ instances, bytes, seconds }) => instances > 0 && bytes >= 0 && seconds >= leastSeconds,
  );
  if (usable.length === 0) return like ?? unmeasured;
  const fits = contentions.map((contention) => fitAlone(usable, contention, like));
  return fits.reduce((best, one) => (one.error < best.error ? one : best)).law;
}

/**
 * The laws of several backends. With few transfers what a backend is slow at cannot be told, but backends of one farm are often slow at
 * the same thing: so each is taken to be like all of them together, until its own transfers say otherwise.
 */
export function fitLaws(backends: readonly (readonly Observation[])[]): readonly Law[] {
  const scaledToOne = backends.flatMap((observations) => {
    const scale = scaleOf(observations, unmeasured);
    return observations.map((one) => ({ ...one, seconds: one.seconds / scale }));
  });
  const common = fitLaw(scaledToOne);
  return backends.map((observations) =>
    observations.length === 0 ? unmeasured : fitLaw(observations, common),
  );
}

/** Seconds a transfer takes by the law. */
export function secondsBy(
  law: Law,
  { instances, bytes, company }: Pick<Observation, 'instances' | 'bytes' | 'company'>,
): number {
  const alone = law.setupSeconds + instances * law.secondsPerInstance + bytes * law.secondsPerByte;
  return alone * (1 + law.contention * (company - 1));
}

function fitAlone(
  observations: readonly Observation[],
  contention: number,
  like: Law | null,
): { readonly law: Law; readonly error: number } {
  const base = { ...(like ?? unmeasured), contention };
  const pull = like === null ? assumedWeight.before : assumedWeight.fromOthers;
  // As many times slower than assumed; from there each of the three may go its own way.
  const scale = scaleOf(observations, base);
  const unit = [
    base.setupSeconds * scale,
    base.secondsPerInstance * scale,
    base.secondsPerByte * scale,
  ] as const;
  const rows = observations.map(({ instances, bytes, seconds, company }) => ({
    features: [unit[0], unit[1] * instances, unit[2] * bytes] as const,
    target: seconds / (1 + contention * (company - 1)),
  }));

  let theta: readonly [number, number, number] = [1, 1, 1];
  // Weighted by what is expected, which the fit itself says; it settles within a few rounds.
  for (let round = 0; round < 8; round++) {
    const weighted = rows.map(({ features, target }) => {
      const expected = dot(features, theta);
      const weight = Math.sqrt(expected) / expected;
      return {
        features: scaled(features, weight),
        target: Math.min(target, farOff * expected) * weight,
      };
    });
    theta = solve(weighted, theta, pull);
  }
  const errors = rows.map(({ features, target }) => {
    const expected = dot(features, theta);
    return Math.sqrt(expected) * Math.abs(Math.log(target / expected));
  });
  return {
    law: {
      setupSeconds: theta[0] * unit[0],
      secondsPerInstance: theta[1] * unit[1],
      secondsPerByte: theta[2] * unit[2],
      contention,
    },
    error: errors.reduce((sum, error) => sum + error, 0) / errors.length,
  };
}

type Three = readonly [number, number, number];

/** Least squares with no negative answer, one coordinate after the other; as many rows as `weight` pull each towards 1. */
function solve(
  rows: readonly { readonly features: Three; readonly target: number }[],
  start: Three,
  weight: number,
): Three {
  const gram = [0, 1, 2].map((i) =>
    [0, 1, 2].map((j) => totalOf(rows, ({ features }) => at(features, i) * at(features, j))),
  );
  const right = [0, 1, 2].map((i) => totalOf(rows, ({ features, target }) => at(features, i) * target));
  const theta = [...start];
  // Its own share of the whole, so that the pull is as strong for each, whatever the unit.
  const pull = [0, 1, 2].map((i) => (weight * at(gram[i] ?? [], i)) / rows.length);
  for (let step = 0; step < 100; step++) {
    for (const i of [0, 1, 2]) {
      const row = gram[i] ?? [];
      const others = [0, 1, 2].reduce((total, j) => (j === i ? total : total + at(row, j) * at(theta, j)), 0);
      const denominator = at(row, i) + at(pull, i);
      if (denominator > 0)
        theta[i] = Math.max(leastShare, (at(right, i) - others + at(pull, i)) / denominator);
    }
  }
  return [at(theta, 0), at(theta, 1), at(theta, 2)];
}

function scaleOf(observations: readonly Observation[], law: Law): number {
  return median(observations.map((one) => Math.max(one.seconds, leastSeconds) / secondsBy(law, one)));
}

function at(values: readonly number[], index: number): number {
  return values[index] ?? 0;
}

function dot(a: Three, b: Three): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function scaled(values: Three, by: number): Three {
  return [values[0] * by, values[1] * by, values[2] * by];
}

function totalOf<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 1;
}
