import { type LogNormal, meanOf, randomOf } from '../../src/simulate/random.ts';
import type { Modality } from '../../test/support/synthetic.ts';
import type { BackendSpeed, LiveScenario } from './scenarios.ts';

/** One study of the recorded workload. Times in seconds after the first. */
export interface TraceStudy {
  readonly name: string;
  readonly modality: Modality;
  readonly station: string;
  readonly at: number;
  readonly instances: number;
  readonly bytesPerInstance: number;
  readonly secondsBetweenImages: number;
  /** It teaches the policy and is not measured: in life nobody starts without knowing anything. */
  readonly isWarmUp: boolean;
}

interface Kind {
  readonly modality: Modality;
  readonly share: number;
  readonly instances: LogNormal;
  readonly most: number;
  readonly bytesPerInstance: number;
  readonly secondsBetweenImages: number;
  readonly stations: number;
}

/** The mix of a hospital, made smaller: few large images, many small ones, and most studies of the first kind. */
const kinds: readonly Kind[] = [
  {
    modality: 'CR',
    share: 0.5,
    instances: { median: 2, p99: 4 },
    most: 5,
    bytesPerInstance: 2e6,
    secondsBetweenImages: 0.5,
    stations: 3,
  },
  {
    modality: 'US',
    share: 0.24,
    instances: { median: 4, p99: 16 },
    most: 20,
    bytesPerInstance: 0.5e6,
    secondsBetweenImages: 0.2,
    stations: 3,
  },
  {
    modality: 'CT',
    share: 0.17,
    instances: { median: 14, p99: 60 },
    most: 80,
    bytesPerInstance: 0.15e6,
    secondsBetweenImages: 0.04,
    stations: 2,
  },
  {
    modality: 'MR',
    share: 0.09,
    instances: { median: 12, p99: 40 },
    most: 50,
    bytesPerInstance: 0.08e6,
    secondsBetweenImages: 0.06,
    stations: 1,
  },
];

/** Share of the studies that come before those that are measured. */
const warmUpShare = 0.15;

/** The same for every policy: a scenario, a number of measured studies and a seed say all of it. */
export function traceOf(scenario: LiveScenario, studies: number, seed: number): readonly TraceStudy[] {
  const random = randomOf(seed, `live ${scenario.name}`);
  const isBatch = scenario.load === 'batch';
  const warmUp = isBatch ? 0 : Math.ceil(studies * warmUpShare);
  const between = scenario.load === 'batch' ? 0 : 1 / (scenario.load * studiesPerSecond(scenario.backends));
  let at = 0;
  return Array.from({ length: warmUp + studies }, (_, number): TraceStudy => {
    if (number > 0) at += random.exponential(between);
    const kind = kindFor(random.uniform());
    return {
      name: `${scenario.name}-${seed}-${number}`,
      modality: kind.modality,
      station: `${kind.modality}${1 + Math.floor(random.uniform() * kind.stations)}`,
      at,
      instances: Math.min(kind.most, Math.max(1, Math.round(random.logNormal(kind.instances)))),
      bytesPerInstance: kind.bytesPerInstance,
      secondsBetweenImages: isBatch ? 0 : kind.secondsBetweenImages,
      isWarmUp: number < warmUp,
    };
  });
}

/** Studies a second that all backends together can take, if each took the same mix. */
export function studiesPerSecond(backends: readonly BackendSpeed[]): number {
  return backends.reduce((sum, backend) => sum + 1 / meanSeconds(backend), 0);
}

/** What a study occupies a backend for on average. Its two lanes share its line; what an image waits, they wait side by side. */
function meanSeconds({ bytesPerSecond, secondsPerImage }: BackendSpeed): number {
  return kinds.reduce((sum, { share, instances, bytesPerInstance }) => {
    const count = meanOf(instances);
    return sum + share * Math.max((count * bytesPerInstance) / bytesPerSecond, (count * secondsPerImage) / 2);
  }, 0);
}

function kindFor(draw: number): Kind {
  let left = draw;
  for (const kind of kinds) {
    left -= kind.share;
    if (left < 0) return kind;
  }
  const last = kinds.at(-1);
  if (last === undefined) throw new Error('there are no kinds of study');
  return last;
}
