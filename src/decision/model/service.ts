import type { EpochMs } from '../../study.ts';

/**
 * What has been learnt of how fast one backend takes images. Plain numbers, kept in the ledger as they are.
 *
 * A transfer of n instances and B bytes is expected to take (n·o + B·s) ÷ g seconds. Two parameters, since one "speed" cannot
 * tell a backend that is slow for each instance (its index, its latency) from one that is slow for each byte (its line, its disk): where
 * both kinds stand side by side, a single one places worse than counting what is in flight.
 */
export interface ServiceModel {
  /** o: seconds for each instance. */
  readonly secondsPerInstance: number;
  /** s: seconds for each byte. */
  readonly secondsPerByte: number;
  /** Covariance of the two, relative to the prior, of the recursive least squares: [oo, os, ss]. */
  readonly covariance: readonly [number, number, number];
  /** ln g: how it has been doing lately against o and s. 0: as expected; below: slower. */
  readonly logEfficiency: number;
  /** The same over half an hour: what the short one returns to when nothing is sent. */
  readonly logBaseline: number;
  /** Transfers learnt from. */
  readonly samples: number;
  /** End of the last of them; null: none yet. */
  readonly sampledAt: EpochMs | null;
}

/** One transfer that ended well. */
export interface ServiceSample {
  readonly instances: number;
  readonly bytes: number;
  /** From its start to its end, proof included. */
  readonly seconds: number;
  readonly endedAt: EpochMs;
}

/** Before anything was measured: 8 ms an instance and 60 MB/s, and little trust in either. */
export const prior: ServiceModel = {
  secondsPerInstance: 0.008,
  secondsPerByte: 1 / 60e6,
  covariance: [1, 0, 1],
  logEfficiency: 0,
  logBaseline: 0,
  samples: 0,
  sampledAt: null,
};

/** A study of usual size, where one speed is asked for. */
export const usualSize = { instances: 100, bytes: 80e6 };

/** Of each sample's weight so much is left when the next one has come: about two hundred count. */
const forgetting = 0.995;
const clamp = { least: 0.02, most: 50 };
/** Half-lives in seconds of busy time: bad news is believed sooner than good. */
const halfLife = { down: 4, up: 10, baseline: 1800 };
const idleSeconds = 300;
/** A single transfer says no more than this factor: a heavy tail would be taken for a new speed. */
const outlier = 8;

/** Seconds that n instances and B bytes take, at the efficiency of now. */
export function expectedSeconds(
  model: ServiceModel,
  { instances, bytes }: { readonly instances: number; readonly bytes: number },
  now: EpochMs,
): number {
  return work(model, instances, bytes) / efficiency(model, now);
}

/** g: its short-term efficiency, which returns to the baseline over five minutes in which nothing ends. */
export function efficiency({ logEfficiency, logBaseline, sampledAt }: ServiceModel, now: EpochMs): number {
  const idle = sampledAt === null ? idleSeconds : Math.max(0, now - sampledAt) / 1000;
  const trust = Math.max(0, 1 - idle / idleSeconds);
  return Math.exp(logBaseline + (logEfficiency - logBaseline) * trust);
}

/** The model with one transfer more learnt. A sample that says nothing (no instance, no time) changes nothing. */
export function learn(model: ServiceModel, sample: ServiceSample): ServiceModel {
  const { instances, bytes, seconds, endedAt } = sample;
  if (!(instances > 0) || !(seconds > 0) || !(bytes >= 0)) return model;
  const expected = work(model, instances, bytes);
  const ratio = Math.min(outlier, Math.max(1 / outlier, seconds / expected));

  // Recursive least squares with forgetting on the relative error: (seconds ÷ expected) = θ · (features ÷ expected), θ relative to
  // the prior. Otherwise the few large transfers would decide alone, and the time of an instance would never be learnt.
  const x1 = (instances * prior.secondsPerInstance) / expected;
  const x2 = (bytes * prior.secondsPerByte) / expected;
  const [oo, os, ss] = model.covariance;
  const p1 = oo * x1 + os * x2;
  const p2 = os * x1 + ss * x2;
  const denominator = forgetting + x1 * p1 + x2 * p2;
  const error = ratio - 1;
  const theta1 = model.secondsPerInstance / prior.secondsPerInstance + (p1 / denominator) * error;
  const theta2 = model.secondsPerByte / prior.secondsPerByte + (p2 / denominator) * error;
  const shrink = (value: number, a: number, b: number): number =>
    (value - (a * b) / denominator) / forgetting;

  const news = Math.log(1 / ratio);
  const before = Math.log(efficiency(model, endedAt - seconds * 1000));
  const short = blend(before, news, seconds, news < before ? halfLife.down : halfLife.up);
  return {
    secondsPerInstance: bounded(theta1) * prior.secondsPerInstance,
    secondsPerByte: bounded(theta2) * prior.secondsPerByte,
    // Where all transfers are alike one direction is never seen, and forgetting alone would let its covariance grow for ever.
    covariance: [Math.min(1, shrink(oo, p1, p1)), shrink(os, p1, p2), Math.min(1, shrink(ss, p2, p2))],
    logEfficiency: short,
    logBaseline: blend(model.logBaseline, short, seconds, halfLife.baseline),
    samples: model.samples + 1,
    sampledAt: endedAt,
  };
}

function work(
  { secondsPerInstance, secondsPerByte }: ServiceModel,
  instances: number,
  bytes: number,
): number {
  return instances * secondsPerInstance + bytes * secondsPerByte;
}

function blend(old: number, news: number, seconds: number, half: number): number {
  return old + (news - old) * (1 - 2 ** (-seconds / half));
}

function bounded(theta: number): number {
  return Math.min(clamp.most, Math.max(clamp.least, theta));
}
