import type { EpochMs } from '../../study.ts';
import { logEfficiencyAt, nearOne, type ServiceModel, sampleSpread } from './service.ts';

/**
 * What backends have in common, and what of it is taken over for each.
 *
 * A farm of equal machines is the commonest there is, and estimates of equal things differ by chance: the one with the luckiest
 * noise got most studies, and small ones took half as long again as with a policy that counts what is in flight. So as much of
 * the difference between them as their own uncertainty explains is taken for none, and of a backend that nothing is
 * known of the others are a better guess than any prior.
 */
export interface Kin {
  readonly o: Figure;
  readonly s: Figure;
  readonly c: Figure;
  /** ln g of all of them; null: one stands out, and each is taken for itself. */
  readonly logEfficiency: number | null;
}

/** Of a logarithm: the middle of the farm, and the variance of what truly differs. */
interface Figure {
  readonly middle: number;
  readonly variance: number;
}

/**
 * Variance of an estimate's logarithm that no number of transfers takes away: one backend had its large images alone, another one
 * beside others. It counts when it is asked whether backends differ, and not when they do.
 */
const misfit = 0.2;
/** Backends differ by so much at least, as a variance: not even those of one purchase are the same. */
const leastDifference = 0.05 ** 2;
/**
 * Short-term efficiencies whose logarithms are all within this of their mean are equal: they are made of the few transfers of the last
 * seconds, and one by chance looks twice as good as another. Drawing each towards the others by what is known of that
 * noise was tried: where some are truly slow for a while they are believed less, and the slowest studies end later by a tenth.
 */
const standsOut = 0.8;
/**
 * However uncertain it is, nothing of a backend is drawn further, as a logarithm: two thirds more or less. Those that were measured first
 * are the fast ones, and one that was not heard of yet is rather slower than they. Without this bound the largest studies of a batch were given to
 * the slowest of ten new backends, and where half are slow per byte and half per instance each was taken for something in between.
 */
const mostDrawn = 0.5;

/** What these backends have in common; null: nothing was measured of any of them. */
export function kinOf(models: readonly ServiceModel[], now: EpochMs): Kin | null {
  const measured = models.filter(({ samples }) => samples > 0);
  if (measured.length === 0) return null;
  const ofParameter = (
    parameter: 'secondsPerInstance' | 'secondsPerByte' | 'secondsPerTransfer',
    place: 0 | 2 | 5,
  ): Figure =>
    figureOf(
      measured.map((model) => Math.log(model[parameter])),
      measured.map(({ covariance }) => misfit + covariance[place] * sampleSpread ** 2),
      leastDifference,
    );
  return {
    o: ofParameter('secondsPerInstance', 0),
    s: ofParameter('secondsPerByte', 2),
    c: ofParameter('secondsPerTransfer', 5),
    logEfficiency: togetherIn(measured.map((model) => logEfficiencyAt(model, now))),
  };
}

/**
 * Random effects by the method of moments: DerSimonian and Laird, "Meta-analysis in clinical trials", Controlled Clinical Trials 7
 * (1986), 177–188. Values with the variance of each; `least` is what comes out at least.
 */
function figureOf(values: readonly number[], variances: readonly number[], least: number): Figure {
  const fixed = weightedMean(values, variances, 0);
  let [sum, sumOfSquares, spread] = [0, 0, 0];
  for (let index = 0; index < values.length; index++) {
    const weight = 1 / (variances[index] ?? 1);
    sum += weight;
    sumOfSquares += weight * weight;
    spread += weight * ((values[index] ?? 0) - fixed) ** 2;
  }
  const freedom = sum - sumOfSquares / sum;
  const found = freedom > 1e-9 ? (spread - (values.length - 1)) / freedom : 0;
  const variance = Math.max(least, found);
  return { middle: weightedMean(values, variances, variance), variance };
}

function weightedMean(values: readonly number[], variances: readonly number[], more: number): number {
  let [sum, total] = [0, 0];
  for (let index = 0; index < values.length; index++) {
    const weight = 1 / ((variances[index] ?? 1) + more);
    sum += weight;
    total += weight * (values[index] ?? 0);
  }
  return total / sum;
}

type Seconds = Pick<ServiceModel, 'secondsPerTransfer' | 'secondsPerInstance' | 'secondsPerByte'>;

/**
 * The model's c, o and s, drawn towards its kin's as far as they are uncertain: the posterior mean under a normal law, with the whole
 * covariance, since what o and s have to be together is known long before either. No further than its own standard deviation:
 * that one backend is out of all measure is no chance, however alike the others are (Efron and Morris, "Limiting the risk of Bayes and
 * empirical Bayes estimators", Journal of the American Statistical Association 67, 1972, 130–139), nor further than `mostDrawn`.
 */
export function likeKin(model: ServiceModel, kin: Kin | null): Seconds {
  if (kin === null) return model;
  const [oo, os, ss, co, cs, cc] = model.covariance.map((one) => one * sampleSpread ** 2) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const logs = {
    o: Math.log(model.secondsPerInstance),
    s: Math.log(model.secondsPerByte),
    c: Math.log(model.secondsPerTransfer),
  };
  // (V + T)⁻¹ (own − middle), V its covariance and T what differs, by the cofactors of the symmetric matrix.
  const [a, d, h] = [oo + kin.o.variance, ss + kin.s.variance, cc + kin.c.variance];
  const [x, y, z] = [logs.o - kin.o.middle, logs.s - kin.s.middle, logs.c - kin.c.middle];
  const [A, B, C] = [d * h - cs * cs, co * cs - os * h, os * cs - d * co];
  const [D, E, F] = [a * h - co * co, os * co - a * cs, a * d - os * os];
  const determinant = a * A + os * B + co * C;
  const drawn = (own: number, { middle, variance }: Figure, off: number, deviation: number): number =>
    Math.exp(
      own + limited(middle + (variance * off) / determinant - own, Math.min(mostDrawn, Math.sqrt(deviation))),
    );
  return {
    secondsPerInstance: drawn(logs.o, kin.o, A * x + B * y + C * z, oo),
    secondsPerByte: drawn(logs.s, kin.s, B * x + D * y + E * z, ss),
    secondsPerTransfer: drawn(logs.c, kin.c, C * x + E * y + F * z, cc),
  };
}

/** g: that of all its kin while none of them stands out; 1 while it is near 1. */
export function efficiencyLikeKin(model: ServiceModel, kin: Kin | null, now: EpochMs): number {
  return Math.exp(nearOne(kin?.logEfficiency ?? logEfficiencyAt(model, now)));
}

function togetherIn(logs: readonly number[]): number | null {
  const middle = logs.reduce((sum, one) => sum + one, 0) / logs.length;
  return logs.every((one) => Math.abs(one - middle) < standsOut) ? middle : null;
}

function limited(value: number, most: number): number {
  return Math.min(most, Math.max(-most, value));
}
