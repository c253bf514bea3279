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
 * Short-term efficiencies are equal when the logarithm of each is within this of the mean of the others: they are made of the few transfers
 * of the last seconds, and one by chance looks twice as good as another. Drawing each towards the others by what is known of that
 * noise was tried: where some are truly slow for a while they are believed less, and the slowest studies end later by a tenth.
 */
const standsOut = 0.8;
/**
 * However uncertain it is, nothing of a backend is drawn further, as a logarithm: two thirds more or less. Those that were measured first
 * are the fast ones, and one that was not heard of yet is rather slower than they. Without this bound the largest studies of a batch were given to
 * the slowest of ten new backends, and where half are slow per byte and half per instance each was taken for something in between.
 */
const mostDrawn = 0.5;

/**
 * A model's logarithms with their covariance: all that kin is made of. Whoever asks about the same models again and again may keep them;
 * they are good for as long as the model is.
 */
export interface Logs {
  readonly model: ServiceModel;
  readonly o: Log;
  readonly s: Log;
  readonly c: Log;
  readonly os: number;
  readonly co: number;
  readonly cs: number;
}

interface Log {
  readonly value: number;
  readonly variance: number;
}

export function logsOf(model: ServiceModel): Logs {
  const [oo, os, ss, co, cs, cc] = model.covariance;
  const unit = sampleSpread ** 2;
  return {
    model,
    o: { value: Math.log(model.secondsPerInstance), variance: oo * unit },
    s: { value: Math.log(model.secondsPerByte), variance: ss * unit },
    c: { value: Math.log(model.secondsPerTransfer), variance: cc * unit },
    os: os * unit,
    co: co * unit,
    cs: cs * unit,
  };
}

/** What these backends have in common; null: nothing was measured of any of them. */
export function kinOf(models: readonly ServiceModel[], now: EpochMs): Kin | null {
  return kinOfLogs(models.map(logsOf), now);
}

/** The same of models whose logarithms are known. */
export function kinOfLogs(all: readonly Logs[], now: EpochMs): Kin | null {
  const measured = all.filter(({ model }) => model.samples > 0);
  if (measured.length === 0) return null;
  return {
    o: figureOf(measured.map(({ o }) => o)),
    s: figureOf(measured.map(({ s }) => s)),
    c: figureOf(measured.map(({ c }) => c)),
    logEfficiency: togetherIn(measured.map(({ model }) => logEfficiencyAt(model, now))),
  };
}

/**
 * Random effects by the method of moments: DerSimonian and Laird, "Meta-analysis in clinical trials", Controlled Clinical Trials 7
 * (1986), 177–188.
 */
function figureOf(logs: readonly Log[]): Figure {
  const fixed = weightedMean(logs, 0);
  let sum = 0;
  let sumOfSquares = 0;
  let spread = 0;
  for (const log of logs) {
    const weight = 1 / (misfit + log.variance);
    sum += weight;
    sumOfSquares += weight * weight;
    spread += weight * (log.value - fixed) ** 2;
  }
  const freedom = sum - sumOfSquares / sum;
  const found = freedom > 1e-9 ? (spread - (logs.length - 1)) / freedom : 0;
  const variance = Math.max(leastDifference, found);
  return { middle: weightedMean(logs, variance), variance };
}

function weightedMean(logs: readonly Log[], more: number): number {
  let sum = 0;
  let total = 0;
  for (const log of logs) {
    const weight = 1 / (misfit + log.variance + more);
    sum += weight;
    total += weight * log.value;
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
  return kin === null ? model : logsLikeKin(logsOf(model), kin);
}

/** The same of a model whose logarithms are known. */
export function logsLikeKin({ o, s, c, os, co, cs }: Logs, kin: Kin): Seconds {
  // (V + T)⁻¹ (own − middle), V its covariance and T what differs, by the cofactors of the symmetric matrix.
  const a = o.variance + kin.o.variance;
  const d = s.variance + kin.s.variance;
  const h = c.variance + kin.c.variance;
  const x = o.value - kin.o.middle;
  const y = s.value - kin.s.middle;
  const z = c.value - kin.c.middle;
  const A = d * h - cs * cs;
  const B = co * cs - os * h;
  const C = os * cs - d * co;
  const D = a * h - co * co;
  const E = os * co - a * cs;
  const F = a * d - os * os;
  const determinant = a * A + os * B + co * C;
  return {
    secondsPerInstance: drawn(o, kin.o, A * x + B * y + C * z, determinant),
    secondsPerByte: drawn(s, kin.s, B * x + D * y + E * z, determinant),
    secondsPerTransfer: drawn(c, kin.c, C * x + E * y + F * z, determinant),
  };
}

function drawn(own: Log, { middle, variance }: Figure, off: number, determinant: number): number {
  const way = middle + (variance * off) / determinant - own.value;
  return Math.exp(own.value + limited(way, Math.min(mostDrawn, Math.sqrt(own.variance))));
}

/** g: that of all its kin while none of them stands out; 1 while it is near 1. */
export function efficiencyLikeKin(model: ServiceModel, kin: Kin | null, now: EpochMs): number {
  return Math.exp(nearOne(kin?.logEfficiency ?? logEfficiencyAt(model, now)));
}

function togetherIn(logs: readonly number[]): number | null {
  const middle = logs.reduce((sum, one) => sum + one, 0) / logs.length;
  // Of three, one at a quarter of its speed draws the mean of all so far that it would not stand out from it.
  const fromOthers = logs.length / Math.max(1, logs.length - 1);
  return logs.every((one) => fromOthers * Math.abs(one - middle) < standsOut) ? middle : null;
}

function limited(value: number, most: number): number {
  return Math.min(most, Math.max(-most, value));
}
