import { type Random, randomFrom } from './random.ts';

/** What a round does to its farm, and what is sent meanwhile. Drawn from a seed alone: the same seed, the same round. */
export interface RoundPlan {
  readonly seed: number;
  readonly studies: readonly StudyPlan[];
  /** In the order of their beginning. On one component there is one at a time. */
  readonly faults: readonly PlannedFault[];
}

export interface StudyPlan {
  readonly name: string;
  /** From the beginning of the round, in milliseconds. */
  readonly atMs: number;
  readonly instances: number;
  /** Of the pixel data of each instance. */
  readonly bytes: number;
  readonly modality: 'CT' | 'MR' | 'CR' | 'US';
  /** Fronts it comes through; over two, the instances are dealt out, and the first goes over both. */
  readonly fronts: readonly string[];
  /** So many of the instances are sent only this long after the others were acknowledged. */
  readonly late: number;
  readonly lateAfterMs: number;
  /** So many senders send each instance at once. */
  readonly senders: number;
  /** When the front has let go of the first instance, it is sent once more with other content: a true conflict. */
  readonly altered: boolean;
}

export interface PlannedFault {
  readonly component: string;
  readonly atMs: number;
  readonly forMs: number;
  readonly fault: ChaosFault;
}

/** What is done to a process, to a disk, to a clock, or to the way to a component. */
export type ChaosFault =
  | { readonly kind: 'kill' }
  | { readonly kind: 'freeze' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'full-disk' }
  | { readonly kind: 'clock'; readonly shiftMs: number }
  | { readonly kind: 'way'; readonly way: WayFault };

/**
 * A fault of the proxy before a component. `every`: 1 for each request, 3 for each third. `changesOnly`: requests that only ask
 * pass.
 */
export type WayFault =
  | { readonly kind: 'refuse' }
  | { readonly kind: 'stall' }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
  | { readonly kind: 'cut-request'; readonly afterBytes: number; readonly every: number }
  | { readonly kind: 'cut-answer'; readonly afterBytes: number; readonly every: number }
  | { readonly kind: 'status-500'; readonly changesOnly: boolean; readonly every: number }
  | { readonly kind: 'not-delivered'; readonly changesOnly: boolean; readonly every: number }
  | { readonly kind: 'answer-lost'; readonly every: number }
  | { readonly kind: 'flip-request'; readonly fromEnd: number; readonly every: number }
  | { readonly kind: 'flip-answer'; readonly at: number; readonly every: number }
  | { readonly kind: 'duplicate'; readonly afterMs: number; readonly every: number };

export interface Shape {
  readonly fronts: readonly string[];
  readonly backends: readonly string[];
}

export type Group = 'front' | 'service' | 'backend';

type FaultKind = Exclude<ChaosFault['kind'], 'way'> | WayFault['kind'];

const processFaults: readonly FaultKind[] = ['kill', 'freeze', 'restart', 'full-disk'];
const wayFaults: Readonly<Record<Group, readonly WayFault['kind'][]>> = {
  backend: [
    'refuse',
    'stall',
    'throttle',
    'cut-request',
    'cut-answer',
    'status-500',
    'not-delivered',
    'answer-lost',
    'flip-request',
    'flip-answer',
    'duplicate',
  ],
  // What the service asks of a front. A flipped bit in a request there would be another request, and is none of a network's.
  front: [
    'refuse',
    'stall',
    'cut-answer',
    'status-500',
    'not-delivered',
    'answer-lost',
    'flip-answer',
    'duplicate',
  ],
  // The fronts' announcements.
  service: ['refuse', 'stall', 'cut-answer', 'status-500', 'not-delivered', 'answer-lost', 'duplicate'],
};

const words: Readonly<Record<FaultKind, string>> = {
  kill: 'killed (-9)',
  freeze: 'frozen (SIGSTOP)',
  restart: 'restarted',
  'full-disk': 'disk full',
  clock: 'clock jumps',
  refuse: 'way refuses',
  stall: 'way stalls',
  throttle: 'way throttled',
  'cut-request': 'way cuts requests',
  'cut-answer': 'way cuts answers',
  'status-500': 'way answers 500',
  'not-delivered': 'way answers 200, delivers nothing',
  'answer-lost': 'way delivers, loses the answer',
  'flip-request': 'way flips a bit of requests',
  'flip-answer': 'way flips a bit of answers',
  duplicate: 'way delivers twice',
};

/** How a fault is called in tables and evidence. */
export function faultName(group: Group, fault: ChaosFault): string {
  return nameOf(group, fault.kind === 'way' ? fault.way.kind : fault.kind);
}

function nameOf(group: Group, kind: FaultKind): string {
  return `${group} ${words[kind]}`;
}

export interface FaultName {
  readonly group: Group;
  readonly kind: FaultKind;
  readonly name: string;
}

/** Every fault that a round can have. */
export const faultNames: readonly FaultName[] = (['front', 'service', 'backend'] as const).flatMap((group) =>
  [...processFaults, ...(group === 'service' ? (['clock'] as const) : []), ...wayFaults[group]].map(
    (kind) => ({ group, kind, name: nameOf(group, kind) }),
  ),
);

/** Draws one round. Pure. */
export function drawRound(seed: number, shape: Shape): RoundPlan {
  const random = randomFrom(seed);
  const studies = drawStudies(random, shape);
  const faults: PlannedFault[] = [];
  const count = random.weighted([
    [1, 30],
    [2, 35],
    [3, 20],
    [4, 15],
  ]);
  const free = new Map<Group | 'clock', string[]>([
    ['front', [...shape.fronts]],
    ['service', ['service']],
    // A thing of its own, so that the service may die while its clock is wrong.
    ['clock', ['clock']],
    ['backend', [...shape.backends]],
  ]);
  for (let drawn = 0; drawn < count; drawn++) {
    // Names drawn evenly: backends have the most of them, and are most often hit.
    const { group, kind } = random.pick(faultNames);
    const components = free.get(kind === 'clock' ? kind : group) ?? [];
    const atMs = random.whole(200, 5000);
    const forMs = random.chance(0.3) ? random.whole(4000, 9000) : random.whole(300, 4000);
    const fault = drawFault(random, kind);
    if (components.length === 0) continue;
    const [component] = components.splice(random.whole(0, components.length - 1), 1);
    if (component !== undefined) faults.push({ component, atMs, forMs, fault });
  }
  return {
    seed,
    studies: [...studies, ...drawAltered(random, shape)],
    faults: faults.toSorted((a, b) => a.atMs - b.atMs),
  };
}

function drawFault(random: Random, kind: FaultKind): ChaosFault {
  const every = random.pick([1, 1, 2, 3, 7]);
  const changesOnly = random.chance(0.5);
  switch (kind) {
    case 'kill':
    case 'freeze':
    case 'restart':
    case 'full-disk':
      return { kind };
    case 'clock':
      return {
        kind,
        shiftMs: random.pick([1, -1]) * random.pick([90_000, 7 * 60_000, 3_600_000, 26 * 3_600_000]),
      };
    case 'refuse':
    case 'stall':
      return { kind: 'way', way: { kind } };
    case 'throttle':
      return { kind: 'way', way: { kind, bytesPerSecond: random.pick([2000, 20_000, 200_000]) } };
    case 'cut-request':
      return { kind: 'way', way: { kind, afterBytes: random.pick([0, 100, 1000, 20_000]), every } };
    case 'cut-answer':
      return { kind: 'way', way: { kind, afterBytes: random.pick([0, 1, 20, 200]), every } };
    case 'status-500':
    case 'not-delivered':
      return { kind: 'way', way: { kind, changesOnly, every } };
    case 'answer-lost':
      return { kind: 'way', way: { kind, every } };
    case 'flip-request':
      return { kind: 'way', way: { kind, fromEnd: random.whole(0, 500), every } };
    case 'flip-answer':
      return { kind: 'way', way: { kind, at: random.whole(0, 200), every } };
    case 'duplicate':
      return { kind: 'way', way: { kind, afterMs: random.pick([0, 0, 200]), every } };
    default:
      return kind satisfies never;
  }
}

const small = 512;
const slice = 33_000;
const film = 1_500_000;

function drawStudies(random: Random, shape: Shape): StudyPlan[] {
  const count = random.whole(8, 14);
  return Array.from({ length: count }, (_, index): StudyPlan => {
    const kind = random.weighted([
      ['one', 30],
      ['few', 30],
      ['series', 20],
      ['large', 8],
      ['films', 8],
      ['tenfold', 4],
    ] as const);
    const instances = {
      one: 1,
      few: random.whole(2, 5),
      series: 30,
      large: 120,
      films: random.whole(2, 5),
      tenfold: 1,
    }[kind];
    const bytes = kind === 'films' ? film : random.pick([small, small, slice]);
    const both = instances > 1 && random.chance(0.25);
    const late = instances > 1 && random.chance(0.35) ? random.whole(1, Math.ceil(instances / 3)) : 0;
    return {
      name: `${index}-${kind}`,
      atMs: random.whole(0, 5000),
      instances,
      bytes,
      modality: kind === 'films' ? 'CR' : random.pick(['CT', 'MR', 'US']),
      fronts: both ? shape.fronts : [random.pick(shape.fronts)],
      late,
      lateAfterMs: random.whole(500, 6000),
      senders: kind === 'tenfold' ? 10 : random.chance(0.1) && instances <= 30 ? 2 : 1,
      altered: false,
    };
  });
}

/** In one round of ten. It leaves what a person must decide about. */
function drawAltered(random: Random, shape: Shape): StudyPlan[] {
  if (!random.chance(0.1)) return [];
  const study: StudyPlan = {
    name: 'altered',
    atMs: random.whole(0, 2000),
    instances: random.whole(1, 4),
    bytes: small,
    modality: 'CT',
    fronts: [random.pick(shape.fronts)],
    late: 0,
    lateAfterMs: 0,
    senders: 1,
    altered: true,
  };
  return [study];
}
