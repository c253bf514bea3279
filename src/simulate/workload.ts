import type { StudyArrival } from './arriving.ts';
import { type LogNormal, meanOf, type Random, randomOf, sigmaOf } from './random.ts';

/** One kind of study. */
export interface Kind {
  readonly modality: string;
  /** Of all studies, in any unit: shares are taken relative to their sum. */
  readonly share: number;
  readonly instances: LogNormal;
  /** Bytes of a study. */
  readonly bytes: LogNormal;
  /** Images a second while it is being sent. */
  readonly pace: number;
  /** Modalities of this kind; each has its own habits. */
  readonly stations: number;
}

/** When studies come. Times in seconds. */
export interface ArrivalPlan {
  readonly seconds: number;
  /** Studies an hour on average, over the whole; 0: none but the batch. */
  readonly perHour: number;
  /** How much of the usual comes in each equal part of the time, such as the 24 hours of a day; empty: evenly. */
  readonly rhythm: readonly number[];
  /** Times at which more comes than usual. */
  readonly crowds: readonly { readonly at: number; readonly seconds: number; readonly factor: number }[];
  /** Short heaps of studies at chance times. */
  readonly bursts: { readonly every: number; readonly studies: number; readonly seconds: number } | null;
  /** Many at once. */
  readonly batch: { readonly at: number; readonly studies: number; readonly seconds: number } | null;
}

/** Large studies have many images, mostly. */
const sizeFollowsCount = 0.85;
/** Stations differ in what is usual with them, and each study of a station from the other: standard deviations of logarithms. */
const stationSpread = 0.35;
const paceSpread = 0.3;
/** Images of a study are no equal work: the parts whose effort is drawn, and its spread; now and then one is far more. */
const effort = { parts: 48, spread: 0.35, rare: 0.01, rareFactor: 6 };
const effortMean = (1 - effort.rare + effort.rare * effort.rareFactor) * Math.exp(effort.spread ** 2 / 2);
const mostInstances = 20_000;

/** What an average study is; by these the rate of arrivals is made from a wanted load. */
export function meanStudy(kinds: readonly Kind[]): { readonly instances: number; readonly bytes: number } {
  const shares = kinds.reduce((sum, { share }) => sum + share, 0);
  const mean = (of: (kind: Kind) => number): number =>
    kinds.reduce((sum, kind) => sum + (kind.share / shares) * of(kind), 0);
  return {
    instances: mean(({ instances }) => Math.max(1, meanOf(instances))),
    bytes: mean(({ bytes }) => meanOf(bytes)),
  };
}

/** The same for the same seed, whatever the backends are. */
export function arrivalsOf(kinds: readonly Kind[], plan: ArrivalPlan, seed: number): StudyArrival[] {
  const sizes = randomOf(seed, 'studies');
  const stations = kinds.map((kind) => habits(Math.max(1, kind.stations), sizes));
  return arrivalTimes(plan, randomOf(seed, 'arrivals')).map((at, index) =>
    studyOf(kinds, stations, sizes, { at, studyUid: `1.2.826.0.1.3680043.10.${seed}.${index + 1}` }),
  );
}

/** How much larger than usual the studies of each station are: on average neither, so that no seed has more work than another. */
function habits(count: number, random: Random): readonly number[] {
  const logs = Array.from({ length: count }, () => stationSpread * random.normal());
  const mean = logs.reduce((sum, log) => sum + Math.exp(log), 0) / count;
  return logs.map((log) => log - Math.log(mean) + stationSpread ** 2 / 2);
}

function studyOf(
  kinds: readonly Kind[],
  stations: readonly (readonly number[])[],
  random: Random,
  named: { readonly at: number; readonly studyUid: string },
): StudyArrival {
  const which = drawn(kinds, random.uniform());
  const kind = kinds[which];
  if (kind === undefined) throw new RangeError('a workload has at least one kind of study');
  const own = stations[which] ?? [0];
  const station = Math.floor(random.uniform() * own.length);
  // The spread between stations is a part of the spread that the kind's figures tell of.
  const within = (shape: LogNormal): number =>
    Math.sqrt(Math.max(0, sigmaOf(shape) ** 2 - stationSpread ** 2));
  const habit = own[station] ?? 0;
  const common = random.normal();
  const other = random.normal();
  const both = sizeFollowsCount * common + Math.sqrt(1 - sizeFollowsCount ** 2) * other;
  const grown = (shape: LogNormal, z: number): number =>
    shape.median * Math.exp((sigmaOf(shape) > stationSpread ? habit : 0) + within(shape) * z);
  const instances = Math.min(mostInstances, Math.max(1, Math.round(grown(kind.instances, common))));
  const bytes = Math.max(1_000 * instances, Math.round(grown(kind.bytes, both)));
  const pace = kind.pace * Math.exp(paceSpread * random.normal());
  return {
    ...named,
    modality: kind.modality,
    station: `${kind.modality}${station + 1}`,
    seconds: (instances - 1) / pace,
    instances,
    bytes,
    effort: Array.from({ length: Math.min(effort.parts, instances) }, () => effortOfPart(random)),
  };
}

/** 1 on average. */
function effortOfPart(random: Random): number {
  const rare = random.uniform() < effort.rare ? effort.rareFactor : 1;
  return (rare * Math.exp(effort.spread * random.normal())) / effortMean;
}

function drawn(kinds: readonly Kind[], u: number): number {
  let left = u * kinds.reduce((sum, { share }) => sum + share, 0);
  for (const [index, { share }] of kinds.entries()) {
    left -= share;
    if (left < 0) return index;
  }
  return kinds.length - 1;
}

/** A Poisson process of changing rate, made by thinning one of its highest rate (Lewis and Shedler 1979). */
function arrivalTimes(plan: ArrivalPlan, random: Random): number[] {
  const times: number[] = [];
  const mean =
    plan.rhythm.length === 0 ? 1 : plan.rhythm.reduce((sum, part) => sum + part, 0) / plan.rhythm.length;
  const rateAt = (at: number): number => {
    const part = plan.rhythm[Math.floor((at / plan.seconds) * plan.rhythm.length)] ?? 1;
    const crowd = plan.crowds
      .filter((one) => at >= one.at && at < one.at + one.seconds)
      .reduce((factor, one) => factor * one.factor, 1);
    return (plan.perHour / 3600) * (part / (mean === 0 ? 1 : mean)) * crowd;
  };
  const highest =
    (plan.perHour / 3600) *
    (Math.max(1, ...plan.rhythm) / (plan.rhythm.length === 0 || mean === 0 ? 1 : mean)) *
    plan.crowds.reduce((factor, crowd) => factor * Math.max(1, crowd.factor), 1);
  if (highest > 0) {
    for (let at = random.exponential(1 / highest); at < plan.seconds; at += random.exponential(1 / highest)) {
      if (random.uniform() * highest < rateAt(at)) times.push(at);
    }
  }
  const heap = (at: number, studies: number, seconds: number): void => {
    for (let one = 0; one < studies; one++) times.push(at + random.uniform() * seconds);
  };
  const { batch, bursts } = plan;
  if (batch !== null) heap(batch.at, batch.studies, batch.seconds);
  if (bursts !== null) {
    for (
      let at = random.exponential(bursts.every);
      at < plan.seconds;
      at += random.exponential(bursts.every)
    ) {
      heap(at, bursts.studies, bursts.seconds);
    }
  }
  return times.toSorted((a, b) => a - b);
}
