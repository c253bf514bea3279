import { effortOf, lastTime, type StudyArrival, timeOf } from './arriving.ts';
import type { ChunkLimits } from './queue.ts';
import type { ModelledBackend } from './world.ts';

/** What no policy can be better than, whatever it knows. Times in seconds. */
export interface Bound {
  /** From the beginning until everything is available. */
  readonly endsAt: number;
  /** For each study, in the order given: from its last image to all of it being available. */
  readonly waits: readonly number[];
}

/** Backends that are alike but for what happens to them. */
interface Class {
  readonly like: ModelledBackend;
  readonly backends: readonly Capacity[];
  /** Its highest speed for one transfer, and for all of its lanes together. */
  readonly one: number;
  readonly all: number;
}

/** What a backend can work, all lanes together, from the beginning until a moment: seconds of work at speed 1. */
interface Capacity {
  readonly until: (seconds: number) => number;
}

/** Of the studies that come last, the bound is made of these shares too: what comes late cannot be done early. */
const lastShares = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
const priceSteps = 40;
const bisections = 60;

/**
 * The fluid bound: studies may be divided among all backends at will, lanes never idle, no more transfers are made than images and
 * bytes need, the front's line is the only other limit.
 */
export function lowerBound(
  arrivals: readonly StudyArrival[],
  backends: readonly ModelledBackend[],
  { chunk, frontBytesPerSecond }: { readonly chunk: ChunkLimits; readonly frontBytesPerSecond: number },
): Bound {
  const classes = classesOf(backends);
  const waits = arrivals.map((study) => leastWait(study, classes, chunk, frontBytesPerSecond));
  const alone = arrivals.reduce(
    (latest, study, index) => Math.max(latest, lastTime(study) + (waits[index] ?? 0)),
    0,
  );
  const ends = arrivals.map(lastTime).toSorted((a, b) => b - a);
  const together = lastShares.map((part) => {
    const from = part === 1 ? 0 : (ends[Math.floor(part * (ends.length - 1))] ?? 0);
    return endOfRest(arrivals, classes, { from, chunk, frontBytesPerSecond });
  });
  return { endsAt: Math.max(alone, ...together), waits };
}

/** Seconds of work that the images from..to are for a backend, alone and at speed 1; a share of the transfers that they need at least. */
function workOf(
  study: StudyArrival,
  from: number,
  to: number,
  on: ModelledBackend,
  chunk: ChunkLimits,
): number {
  const each = study.bytes / study.instances;
  const transfers = (to - from) / chunk.instances;
  return (
    transfers * on.setupSeconds +
    effortOf(study, from, to) * (on.secondsPerInstance + on.secondsPerByte * each)
  );
}

function leastWait(
  study: StudyArrival,
  classes: readonly Class[],
  chunk: ChunkLimits,
  frontBytesPerSecond: number,
): number {
  const { instances, bytes, at } = study;
  const span = lastTime(study) - at;
  let least = Number.POSITIVE_INFINITY;
  for (const { like, one, all } of classes) {
    const last =
      workOf(study, instances - 1, instances, like, chunk) + like.setupSeconds * (1 - 1 / chunk.instances);
    const whole = workOf(study, 0, instances, like, chunk);
    least = Math.min(least, Math.max(last / one, whole / all - span));
  }
  return Math.max(least, bytes / frontBytesPerSecond - span);
}

/** When what arrives after `from` can be done at the earliest, begun at `from` by backends that have nothing else to do. */
function endOfRest(
  arrivals: readonly StudyArrival[],
  classes: readonly Class[],
  { from, chunk, frontBytesPerSecond }: { from: number; chunk: ChunkLimits; frontBytesPerSecond: number },
): number {
  let bytes = 0;
  const works: number[][] = [];
  for (const study of arrivals) {
    const first = firstAfter(study, from);
    if (first >= study.instances) continue;
    bytes += (study.bytes * (study.instances - first)) / study.instances;
    works.push(classes.map(({ like }) => workOf(study, first, study.instances, like, chunk)));
  }
  const isEnough = (until: number): boolean => {
    const capacities = classes.map(({ backends }) =>
      backends.reduce((sum, backend) => sum + backend.until(until) - backend.until(from), 0),
    );
    return share(works, capacities) <= 1;
  };
  let low = from;
  let high = from + 1;
  while (!isEnough(high) && high - from < 1e9) high = from + 2 * (high - from);
  for (let step = 0; step < bisections && high - low > 1e-6 * (high - from); step++) {
    const middle = (low + high) / 2;
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return Math.max(low, from + bytes / frontBytesPerSecond);
}

/**
 * The share of the capacities that the works need at least. A linear programme; by duality each set of prices of the classes' time
 * gives a bound, the sum of what each study costs at its cheapest against what all time is worth, and better prices a better one.
 */
function share(works: readonly (readonly number[])[], capacities: readonly number[]): number {
  // What a class would cost were the others like it but for their speed: the best prices, then.
  const prices = capacities.map((_, index) => {
    const all = works.reduce((sum, work) => sum + (work[index] ?? 0), 0);
    return all > 0 ? works.length / all : 1;
  });
  let best = 0;
  const steps =
    capacities.length === 1
      ? 1
      : Math.max(
          4,
          Math.min(priceSteps, Math.ceil(4e7 / (works.length * capacities.length + 1) / bisections)),
        );
  for (let step = 0; step < steps; step++) {
    const used = capacities.map(() => 0);
    let cost = 0;
    for (const work of works) {
      let cheapest = Number.POSITIVE_INFINITY;
      let chosen = 0;
      for (let index = 0; index < work.length; index++) {
        const price = (work[index] ?? 0) * (prices[index] ?? 0);
        if (price < cheapest) {
          cheapest = price;
          chosen = index;
        }
      }
      cost += cheapest;
      used[chosen] = (used[chosen] ?? 0) + (work[chosen] ?? 0);
    }
    const worth = capacities.reduce((sum, capacity, index) => sum + capacity * (prices[index] ?? 0), 0);
    best = Math.max(best, worth > 0 ? cost / worth : Number.POSITIVE_INFINITY);
    for (const [index, capacity] of capacities.entries()) {
      const load = capacity > 0 ? (used[index] ?? 0) / capacity : 2 * best;
      const pull = best > 0 ? load / best : 1;
      // What is over-used becomes dearer; smaller steps as it goes on.
      prices[index] = (prices[index] ?? 1) * Math.min(2, Math.max(0.5, pull)) ** (0.7 / Math.sqrt(step + 1));
    }
  }
  return best;
}

function firstAfter(study: StudyArrival, from: number): number {
  if (study.at >= from) return 0;
  if (lastTime(study) < from) return study.instances;
  let low = 0;
  let high = study.instances - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeOf(study, middle) >= from) high = middle;
    else low = middle + 1;
  }
  return low;
}

function classesOf(backends: readonly ModelledBackend[]): Class[] {
  const alike = new Map<string, ModelledBackend[]>();
  for (const one of backends) {
    const { lanes, secondsPerInstance, secondsPerByte, setupSeconds, contention } = one;
    const key = [lanes, secondsPerInstance, secondsPerByte, setupSeconds, contention].join(' ');
    const known = alike.get(key);
    if (known === undefined) alike.set(key, [one]);
    else known.push(one);
  }
  return [...alike.values()].flatMap((members): Class[] => {
    const [like] = members;
    if (like === undefined) return [];
    const fastest = members.reduce(
      (most, { conditions }) =>
        Math.max(most, conditions[0]?.at === 0 ? 0 : 1, ...conditions.map(({ speed }) => speed)),
      0,
    );
    const width = Array.from({ length: like.lanes }, (_, index) => index + 1).reduce(
      (most, lanes) => Math.max(most, lanes / (1 + like.contention * (lanes - 1))),
      0,
    );
    return [
      { like, backends: members.map((one) => capacityOf(one, width)), one: fastest, all: fastest * width },
    ];
  });
}

function capacityOf({ conditions }: ModelledBackend, width: number): Capacity {
  const times = [0];
  const speeds = [1];
  const sums = [0];
  for (const { at, speed } of conditions) {
    const before = times.length - 1;
    sums.push((sums[before] ?? 0) + (speeds[before] ?? 0) * (at - (times[before] ?? 0)));
    times.push(at);
    speeds.push(speed);
  }
  return {
    until(seconds) {
      let low = 0;
      let high = times.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((times[middle] ?? 0) <= seconds) low = middle + 1;
        else high = middle;
      }
      const at = Math.max(0, low - 1);
      return width * ((sums[at] ?? 0) + (speeds[at] ?? 0) * (seconds - (times[at] ?? 0)));
    },
  };
}
