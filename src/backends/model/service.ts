import type { EpochMs } from '../../study.ts';

/**
 * What has been learnt of how fast one backend takes images. Plain numbers, kept in the ledger as they are.
 *
 * A transfer of n instances and B bytes is expected to take (c + n·o + B·s) ÷ g seconds. Two of them for what is carried, since one
 * "speed" cannot tell a backend that is slow for each instance (its index, its latency) from one that is slow for each byte (its line, its
 * disk): where both kinds stand side by side, a single one places worse than counting what is in flight. And one for the transfer
 * itself, since most transfers carry one image of a study that trickles in: without it o took c in, and a study sent in full
 * transfers was expected to take half as long again as it does.
 */
export interface ServiceModel {
  /** c: seconds for each transfer, whatever it carries: connection, job, proof. */
  readonly secondsPerTransfer: number;
  /** o: seconds for each instance. */
  readonly secondsPerInstance: number;
  /** s: seconds for each byte. */
  readonly secondsPerByte: number;
  /** Covariance of their logarithms, in units of the variance of a sample's: [oo, os, ss, co, cs, cc]. What is still not known of them. */
  readonly covariance: readonly [number, number, number, number, number, number];
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

/** How widely one transfer differs from what is expected, as the standard deviation of the logarithm: a third more or less is nothing. */
export const sampleSpread = 0.4;
/** The same of a backend before it is measured: one in three is more than four times faster or slower than the prior. */
const priorSpread = 1.5;
const unknown = (priorSpread / sampleSpread) ** 2;

/** Before anything was measured: 15 ms a transfer, 8 ms an instance and 60 MB/s, and little trust in any of them. */
export const prior: ServiceModel = {
  secondsPerTransfer: 0.015,
  secondsPerInstance: 0.008,
  secondsPerByte: 1 / 60e6,
  covariance: [unknown, 0, unknown, 0, 0, unknown],
  logEfficiency: 0,
  logBaseline: 0,
  samples: 0,
  sampledAt: null,
};

/** A study of usual size, where one speed is asked for. */
export const usualSize = { instances: 100, bytes: 80e6 };

/** Of each sample's weight so much is left when the next one of full weight has come: about five hundred count. */
const forgetting = 0.998;
/**
 * A transfer counts fully when it is expected to take much longer than this, and hardly when much less. Most transfers carry one image
 * of a study that trickles in, and often alone; what takes long are the full ones, beside others. With equal weights the many
 * small ones decide how o and s share what the large ones take, and are wrong by half.
 */
const fullWeightSeconds = 1;
/**
 * Of what is not known at all small ones teach more, up to this weight: a backend that is sent nothing else would be taken for what the
 * prior says for minutes. Believing them at once was rejected: where speeds change the slowest studies ended later by a quarter.
 */
const smallWeight = 0.1;
/** However many they are, small ones are off by about this variance, in units of a sample's: down to it they teach more, and no further. */
const misfit = 3;
/** However much was learnt, so much is not known: rounding must not make it nothing. */
const leastKnown = 1e-6;
/** c, o and s stay within these multiples of the prior. */
const clamp = { least: 0.02, most: 50 };
/** Half-lives in seconds of busy time: bad news is believed sooner than good. */
const halfLife = { down: 4, up: 10, baseline: 1800 };
const idleSeconds = 300;
/**
 * One transfer, however long, moves the short-term efficiency by half of what it says at most: the long ones are those with a mishap. However
 * short, it moves it by a fifth at least, or a tenth upward: studies that trickle in come in transfers of some milliseconds, and by their
 * seconds alone dozens of them, each five times as long as it should be, said nothing. By less as long as it is less sure how long
 * such a one takes than how much one differs from another: then it rather tells of c, o and s. A fifth of each, always, was rejected: where half of the
 * backends are slow for each image and half for each byte, the slowest studies ended later by a tenth; and with a third, which
 * follows chance, nearly everywhere.
 */
const ofOne = { most: 0.5, leastDown: 0.2, leastUp: 0.1 };
/** Nor does it count for longer than so many times what it should take: those that are late would outweigh all that are in time. */
const longestSeen = 2;
/**
 * An efficiency whose logarithm is within `none` is 1: of many backends the one with the luckiest noise would be chosen each time. From `all` on it
 * is believed as it is, and in between in proportion (firm shrinkage: Gao and Bruce, "WaveShrink with firm shrinkage", Statistica Sinica 7,
 * 1997, 855–874). Taking the quarter off wherever it is was rejected: a backend at a third of its speed was taken for one at 0.43.
 */
const shrunk = { none: 0.25, all: 0.6 };
/** A sample further off than so many standard deviations counts as if it were there: a heavy tail is no new speed. */
const farOff = 2.5;
/** The same for the short-term efficiency, as a factor: it must follow a real change, so it is let off more easily. */
const outlier = 8;

/** Images and bytes that go in one transfer at most. */
const part = { instances: 50, bytes: 64e6 };

/** In how many transfers so much goes when it is all there, not rounded; a study has at least one. */
export function partsOf({
  instances,
  bytes,
}: {
  readonly instances: number;
  readonly bytes: number;
}): number {
  return Math.max(instances / part.instances, bytes / part.bytes);
}

/** Seconds that n instances and B bytes take in full transfers, at the efficiency of now. */
export function expectedSeconds(
  model: ServiceModel,
  load: { readonly instances: number; readonly bytes: number },
  now: EpochMs,
): number {
  const { secondsPerTransfer, secondsPerInstance, secondsPerByte } = model;
  const seconds =
    Math.ceil(partsOf(load)) * secondsPerTransfer +
    load.instances * secondsPerInstance +
    load.bytes * secondsPerByte;
  return seconds / efficiency(model, now);
}

/** g: its short-term efficiency, which returns to the baseline over five minutes in which nothing ends; 1 while it is near 1. */
export function efficiency(model: ServiceModel, now: EpochMs): number {
  return Math.exp(nearOne(logEfficiencyAt(model, now)));
}

/** The logarithm of an efficiency as it counts: 0 while it is near 0, itself when it is far from it. */
export function nearOne(log: number): number {
  const size = Math.abs(log);
  if (size >= shrunk.all) return log;
  const share = Math.max(0, size - shrunk.none) / (shrunk.all - shrunk.none);
  return Math.sign(log) * shrunk.all * share;
}

/** ln g at that time, before what is near 1 is taken for 1. */
export function logEfficiencyAt(
  { logEfficiency, logBaseline, sampledAt }: ServiceModel,
  now: EpochMs,
): number {
  const idle = sampledAt === null ? idleSeconds : Math.max(0, now - sampledAt) / 1000;
  const trust = Math.max(0, 1 - idle / idleSeconds);
  return logBaseline + (logEfficiency - logBaseline) * trust;
}

/**
 * The model with one transfer more learnt. A sample that says nothing (no instance, no time) changes nothing; one that ended before
 * the last one did is learnt, and counts as recent as that.
 *
 * Recursive least squares with forgetting on the relative error, which keeps the few large transfers from deciding alone. In
 * logarithms, so that a backend far from the prior is found in a few samples, as soon as one near it, and nothing is ever negative;
 * in the parameters themselves a backend ten times slower took hundreds.
 */
export function learn(model: ServiceModel, sample: ServiceSample): ServiceModel {
  const { instances, bytes, seconds, endedAt } = sample;
  const isUsable =
    instances >= 1 && seconds > 0 && bytes >= 0 && Number.isFinite(instances + seconds + bytes + endedAt);
  if (!isUsable) return model;
  const expected = work(model, instances, bytes);
  // What part of the expected time is due to each of the three: a sample of small images says much about o and little about s.
  const ofC = model.secondsPerTransfer / expected;
  const ofO = (instances * model.secondsPerInstance) / expected;
  const ofS = (bytes * model.secondsPerByte) / expected;
  const [oo, os, ss, co, cs, cc] = model.covariance;
  const pO = oo * ofO + os * ofS + co * ofC;
  const pS = os * ofO + ss * ofS + cs * ofC;
  const pC = co * ofO + cs * ofS + cc * ofC;
  const uncertain = ofO * pO + ofS * pS + ofC * pC;
  const weight = Math.max(
    1 / (1 + (fullWeightSeconds / expected) ** 2),
    smallWeight * (1 - misfit / uncertain),
  );
  const kept = 1 - (1 - forgetting) * weight;
  const variance = kept / weight + uncertain;
  const error = limited(Math.log(seconds / expected), farOff * sampleSpread * Math.sqrt(variance));
  const learnt = {
    secondsPerTransfer: near(
      model.secondsPerTransfer * Math.exp((pC / variance) * error),
      prior.secondsPerTransfer,
    ),
    secondsPerInstance: near(
      model.secondsPerInstance * Math.exp((pO / variance) * error),
      prior.secondsPerInstance,
    ),
    secondsPerByte: near(model.secondsPerByte * Math.exp((pS / variance) * error), prior.secondsPerByte),
  };

  // Against what is expected by now: what o and s have taken in is no inefficiency. Otherwise the first samples of a slow backend
  // would count twice.
  const news = limited(Math.log(work(learnt, instances, bytes) / seconds), Math.log(outlier));
  const before = logEfficiencyAt(model, endedAt - seconds * 1000);
  const busy = Math.min(seconds, (longestSeen * expected) / Math.exp(before));
  const isWorse = news < before;
  const share = shareOf(busy, isWorse ? halfLife.down : halfLife.up);
  const least = (isWorse ? ofOne.leastDown : ofOne.leastUp) / Math.max(1, uncertain);
  const short = before + (news - before) * Math.min(ofOne.most, Math.max(least, share));
  return {
    ...learnt,
    covariance: bounded([
      (oo - (pO * pO) / variance) / kept,
      (os - (pO * pS) / variance) / kept,
      (ss - (pS * pS) / variance) / kept,
      (co - (pC * pO) / variance) / kept,
      (cs - (pC * pS) / variance) / kept,
      (cc - (pC * pC) / variance) / kept,
    ]),
    logEfficiency: short,
    logBaseline: model.logBaseline + (short - model.logBaseline) * shareOf(busy, halfLife.baseline),
    samples: model.samples + 1,
    sampledAt: Math.max(endedAt, model.sampledAt ?? endedAt),
  };
}

/**
 * Where all transfers are alike one direction is never seen, and forgetting alone would let what is not known of it grow for ever:
 * it is never less known than at the beginning. Rows and columns are scaled alike, so that it stays a covariance, rounding included.
 */
function bounded([oo, os, ss, co, cs, cc]: ServiceModel['covariance']): ServiceModel['covariance'] {
  const scale = (own: number): number => Math.sqrt(Math.min(1, unknown / Math.max(leastKnown, own)));
  const [o, s, c] = [scale(oo), scale(ss), scale(cc)];
  const ofO = Math.max(leastKnown, oo) * o * o;
  const ofS = Math.max(leastKnown, ss) * s * s;
  const ofC = Math.max(leastKnown, cc) * c * c;
  const both = (own: number, a: number, b: number): number => limited(own, 0.999 * Math.sqrt(a * b));
  return [ofO, both(os * o * s, ofO, ofS), ofS, both(co * c * o, ofC, ofO), both(cs * c * s, ofC, ofS), ofC];
}

function work(
  model: Pick<ServiceModel, 'secondsPerTransfer' | 'secondsPerInstance' | 'secondsPerByte'>,
  instances: number,
  bytes: number,
): number {
  return model.secondsPerTransfer + instances * model.secondsPerInstance + bytes * model.secondsPerByte;
}

/** How much of what was is over after so many seconds, with that half-life. */
function shareOf(seconds: number, half: number): number {
  return 1 - 2 ** (-seconds / half);
}

function near(value: number, usual: number): number {
  return Math.min(clamp.most * usual, Math.max(clamp.least * usual, value));
}

function limited(value: number, most: number): number {
  return Math.min(most, Math.max(-most, value));
}
