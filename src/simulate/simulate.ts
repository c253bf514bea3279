import { learn, prior, type ServiceModel } from '../backends/model/service.ts';
import { emptyHistory, learnSize, predictSize, type SizeHistory } from '../backends/model/size.ts';
import type { Policy } from '../decision/policy.ts';
import { createAgenda } from './agenda.ts';
import type { StudyArrival } from './arriving.ts';
import { type Booked, bookedAt } from './books.ts';
import { createCandidates } from './candidates.ts';
import { createDispatch } from './dispatch.ts';
import {
  createMembers,
  createPolls,
  createPoolOf,
  epochMs,
  type Member,
  type OperatorEvent,
} from './farm.ts';
import { createSimulatedLanes } from './lanes.ts';
import { trueService } from './oracle.ts';
import type { Chunk, ChunkLimits } from './queue.ts';
import { randomOf } from './random.ts';
import { createStudy, type Study, toPlace } from './study.ts';
import { createWorld, type ModelledBackend } from './world.ts';

/** Settings of the service that matter here, as the topology has them by default. */
export interface ServiceSettings {
  readonly chunk: ChunkLimits;
  /** While images keep coming, transfers to a backend begin so far apart, unless they are full. */
  readonly gatherSeconds: number;
  readonly settleSeconds: number;
  readonly stallSeconds: number;
  readonly rebindAfterSeconds: number;
  readonly timeout: { readonly baseSeconds: number; readonly bytesPerSecond: number };
}

export const usualSettings: ServiceSettings = {
  chunk: { instances: 50, bytes: 64e6 },
  gatherSeconds: 0.08,
  settleSeconds: 60,
  stallSeconds: 15,
  rebindAfterSeconds: 30,
  timeout: { baseSeconds: 60, bytesPerSecond: 1e6 },
};

export interface Simulation {
  readonly arrivals: readonly StudyArrival[];
  readonly backends: readonly ModelledBackend[];
  /** With its queue in the order wanted: `policyNamed(name, { order })`. */
  readonly policy: Policy;
  /**
   * What the policy knows of the backends' speeds. `learnt`, the default: what the service would have learnt; `true`: what they are at that
   * moment; `perfectly-learnt`: what they were when a transfer ended there last, with nothing left to learn.
   */
  readonly speeds?: 'learnt' | 'perfectly-learnt' | 'true';
  /** Of what the service itself draws, such as its back-off. */
  readonly seed: number;
  /** Bytes a second that all transfers share; default: without end. */
  readonly frontBytesPerSecond?: number;
  readonly operator?: readonly OperatorEvent[];
  /** What is not available by then, in seconds from the beginning, counts as lost. Default: a week after the last arrival. */
  readonly until?: number;
  readonly settings?: Partial<ServiceSettings>;
  /** What was learnt before, by the backend's name. */
  readonly services?: ReadonlyMap<string, ServiceModel>;
  readonly sizes?: SizeHistory;
}

/** How it ended for one study; times in seconds from the beginning. */
export interface StudyResult {
  readonly studyUid: string;
  /** Where it is; null: nowhere, it was never placed. */
  readonly backend: string | null;
  readonly firstAt: number;
  readonly lastAt: number;
  /** All of it proven on that backend; null: lost. */
  readonly availableAt: number | null;
  /** A backend it was bound to before still has something of it, and will not answer any more. */
  readonly isSplit: boolean;
}

export interface BackendResult {
  readonly backend: string;
  /** Lanes times seconds at work, divided by the lanes. */
  readonly busySeconds: number;
  /** Most transfers at the same time. */
  readonly mostLanes: number;
  readonly service: ServiceModel;
}

export interface SimulationResult {
  /** In the order of the arrivals given. */
  readonly studies: readonly StudyResult[];
  readonly backends: readonly BackendResult[];
  /** Transfers begun, those of them that failed, and studies that were bound anew. */
  readonly transfers: number;
  readonly retries: number;
  readonly rebinds: number;
}

const week = 7 * 86_400;

/**
 * Lets the studies arrive and be placed by the service's own code on a virtual clock: rounds, eligibility, policy, what is learnt
 * of speeds and sizes, breaker, back-off, health and slow start are the lines that run in the service. Lanes, queue, failover and the
 * backends are models. The same input gives the same result.
 */
export function simulate(simulation: Simulation): SimulationResult {
  const { backends, policy, seed } = simulation;
  const settings = { ...usualSettings, ...simulation.settings };
  const speeds = simulation.speeds ?? 'learnt';
  const agenda = createAgenda();
  const members = createMembers(backends);
  const pool = createPoolOf(backends, {
    agenda,
    random: randomOf(seed, 'service'),
    loads: () => members.map((member) => ({ backend: member.name, ...booked(member), oldestAt: null })),
  });
  const services = backends.map(({ name }) => simulation.services?.get(name) ?? prior);
  const studies = simulation.arrivals.map(createStudy);
  let sizes = simulation.sizes ?? emptyHistory();
  let left = studies.length;

  const placeable = (study: Study) =>
    toPlace(study, agenda.now, epochMs, (known) => predictSize(sizes, known, epochMs(agenda.now)));

  const lanes = createSimulatedLanes({
    agenda,
    pool,
    world: () => world,
    limits: settings.chunk,
    gatherSeconds: settings.gatherSeconds,
    services,
    learn: (member, known, sample) =>
      speeds === 'perfectly-learnt' ? trueServiceOf(member) : learn(known, sample),
    onFree: () => dispatch.lookAgain(),
    onAvailable(study) {
      if (--left === 0) agenda.stop();
      agenda.at(agenda.now + settings.settleSeconds, () => {
        const { modality, station, instances, bytes, seconds } = study.arrival;
        sizes = learnSize(sizes, { modality, station, instances, bytes, seconds });
      });
    },
  });
  const books = { agenda, countArrived: lanes.countArrived, predictAnew: placeable };
  const booked = (member: Member): Booked => bookedAt(member, books);
  const world = createWorld<Chunk>({
    agenda,
    backends,
    frontBytesPerSecond: simulation.frontBytesPerSecond ?? Number.POSITIVE_INFINITY,
    stallSeconds: settings.stallSeconds,
    timeout: settings.timeout,
    onDone: (carriage) => lanes.done(carriage, memberAt(members, carriage.backend)),
    onFailed: (carriage, code) => lanes.failed(carriage, memberAt(members, carriage.backend), code),
    onReach: (index) => watchHealth(index),
  });
  const trueServiceOf = ({ backend, index }: Member): ServiceModel =>
    trueService(backend, world.condition(index), epochMs(agenda.now));
  const service = (member: Member): ServiceModel =>
    speeds === 'true' ? trueServiceOf(member) : (services[member.index] ?? prior);
  const candidates = createCandidates({
    pool,
    world,
    members,
    service,
    isServiceCurrent: speeds !== 'true',
    booked,
  });
  const dispatch = createDispatch({
    agenda,
    pool,
    policy,
    members,
    candidates: candidates.read,
    toPlace: placeable,
    bind: lanes.bind,
    unbind: lanes.unbind,
    rebindAfterSeconds: settings.rebindAfterSeconds,
  });
  const byName = new Map(members.map((member) => [member.name, member]));
  pool.onChange((name) => {
    if (lanes.isFreeing) return;
    candidates.poolChanged(name);
    const member = byName.get(name);
    if (member !== undefined) lanes.fill(member);
    dispatch.lookAgain();
  });
  const watchHealth = createPolls({ agenda, pool, world }, members, ({ index }) => world.callOff(index));

  let arrived = 0;
  let isTicking = false;
  /** Once a second while a study is on the farm; between studies there is nothing to look at. */
  const tick = (): void => {
    isTicking = arrived > studies.length - left;
    if (!isTicking) return;
    dispatch.tick();
    agenda.at(Math.floor(agenda.now) + 1, tick);
  };
  planArrivals(agenda.at, studies, (study) => {
    arrived++;
    dispatch.studyWaits(study);
    if (isTicking) return;
    isTicking = true;
    agenda.at(Math.floor(agenda.now) + 1, tick);
  });
  for (const { at, backend, state, weight } of simulation.operator ?? []) {
    const change = { ...(state === undefined ? {} : { state }), ...(weight === undefined ? {} : { weight }) };
    agenda.at(at, () => void pool.setOperator(backend, change, epochMs(agenda.now)));
  }
  const last = studies.reduce((latest, study) => Math.max(latest, study.lastAt), 0);
  if (left > 0) agenda.run(simulation.until ?? last + week);

  const answersLater = (index: number): boolean =>
    world.answers(index) || (backends[index]?.conditions.at(-1)?.answers ?? true);
  return {
    studies: studies.map((study) => resultOf(study, members, answersLater)),
    backends: members.map(({ index, name, backend, mostLanes }) => ({
      backend: name,
      busySeconds: world.busySeconds(index) / backend.lanes,
      mostLanes,
      service: services[index] ?? prior,
    })),
    transfers: lanes.transfers,
    retries: lanes.retries,
    rebinds: dispatch.rebinds,
  };
}

function memberAt(members: readonly Member[], index: number): Member {
  const member = members[index];
  if (member === undefined) throw new RangeError(`there is no backend number ${index}`);
  return member;
}

/** One after the other, so that not all of them stand on the agenda from the beginning. */
function planArrivals(
  at: (seconds: number, run: () => void) => unknown,
  studies: readonly Study[],
  onArrival: (study: Study) => void,
): void {
  const sorted = studies.toSorted((a, b) => a.arrival.at - b.arrival.at);
  let next = 0;
  const plan = (): void => {
    const study = sorted[next++];
    if (study === undefined) return;
    at(study.arrival.at, () => {
      onArrival(study);
      plan();
    });
  };
  plan();
}

function resultOf(
  study: Study,
  members: readonly Member[],
  answersLater: (index: number) => boolean,
): StudyResult {
  const { arrival, lastAt, backend, availableAt, former } = study;
  const elsewhere = [...former].filter((index) => index !== backend);
  return {
    studyUid: arrival.studyUid,
    backend: backend === null ? null : (members[backend]?.name ?? null),
    firstAt: arrival.at,
    lastAt,
    availableAt,
    isSplit: elsewhere.length > 0 && (availableAt === null || !elsewhere.every(answersLater)),
  };
}
