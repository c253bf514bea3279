import { createPool, type LivePool, type PoolLog } from '../backends/pool-live.ts';
import type { BackendLoad } from '../ledger/ledger.ts';
import type { EpochMs, OperatorState } from '../study.ts';
import type { Agenda } from './agenda.ts';
import { createQueue, type Queue } from './queue.ts';
import type { Random } from './random.ts';
import type { Study } from './study.ts';
import type { ModelledBackend, World } from './world.ts';

/** What an operator does to a backend while it runs. */
export interface OperatorEvent {
  /** Seconds from the beginning. */
  readonly at: number;
  readonly backend: string;
  readonly state?: OperatorState;
  readonly weight?: number;
}

/** One backend as the service knows it, beside what the pool knows. */
export interface Member {
  readonly index: number;
  readonly name: string;
  readonly backend: ModelledBackend;
  readonly queue: Queue;
  /** Bound here, and not all proven. */
  readonly open: Set<Study>;
  /** Those of them that are still arriving. */
  readonly arriving: Set<Study>;
  /** Of those that have arrived: studies, instances and bytes without proof. */
  readonly outstanding: { studies: number; instances: number; bytes: number };
  busyLanes: number;
  retryLanes: number;
  mostLanes: number;
  lastPlacement: number;
  /** Something has changed since it was last shown to a policy. */
  changed: boolean;
}

/** The Monday on which every simulation begins. */
const beginning: EpochMs = Date.UTC(2026, 0, 5);

/** The virtual clock as policies read it. */
export function epochMs(seconds: number): EpochMs {
  return beginning + seconds * 1000;
}

const downAfter = 2;
const pollSeconds = 5;

export function createMembers(backends: readonly ModelledBackend[]): readonly Member[] {
  return backends.map((backend, index) => ({
    index,
    name: backend.name,
    backend,
    queue: createQueue(),
    open: new Set(),
    arriving: new Set(),
    outstanding: { studies: 0, instances: 0, bytes: 0 },
    busyLanes: 0,
    retryLanes: 0,
    mostLanes: 0,
    lastPlacement: 0,
    changed: true,
  }));
}

const nothing = (): void => undefined;
const nobodyReads: PoolLog = { info: nothing, warn: nothing, error: nothing };

/** The service's own pool, with its breaker, back-off and slow start, on the virtual clock. */
export function createPoolOf(
  backends: readonly ModelledBackend[],
  {
    agenda,
    random,
    loads,
  }: { readonly agenda: Agenda; readonly random: Random; readonly loads: () => readonly BackendLoad[] },
): LivePool {
  return createPool({
    backends: backends.map(({ name, weight, lanes }) => ({
      name,
      url: `http://${name}`,
      publicUrl: `http://${name}`,
      username: '',
      password: '',
      passwordVariable: '',
      run: null,
      weight,
      lanes,
    })),
    // Nothing is to be kept, and policies are told what is booked and when a backend had its turn from the model's own books.
    ledger: {
      backendSettings: () => [],
      setBackend: () => undefined,
      loads,
      lastPlacements: () => new Map(),
    },
    downAfter,
    clock: () => epochMs(agenda.now),
    log: nobodyReads,
    random: () => random.uniform(),
    timers: agenda.timers,
  });
}

/**
 * Tells the pool what polls would tell it. A backend that answers and is known to is not polled: nothing would come of it, and a
 * thousand of them would be most of what happens.
 */
export function createPolls(
  { agenda, pool, world }: { readonly agenda: Agenda; readonly pool: LivePool; readonly world: World },
  members: readonly Member[],
  onDown: (member: Member) => void,
): (index: number) => void {
  function poll(member: Member): void {
    const up = world.answers(member.index);
    const reason = up ? null : 'connection refused';
    const before = pool.health(member.name);
    pool.observed(member.name, { at: epochMs(agenda.now), up, reason, latencyMs: 1 });
    const health = pool.health(member.name);
    if (health === 'down' && before !== 'down') onDown(member);
    if (!up || health !== 'up') agenda.at(agenda.now + pollSeconds, () => poll(member));
  }
  for (const member of members) poll(member);
  return (index) => {
    const member = members[index];
    if (member === undefined || world.answers(index)) return;
    // Its polls go on in their own rhythm; the next one is due at any moment of it.
    const phase = ((index * 0.618) % 1) * pollSeconds;
    agenda.at(agenda.now + phase, () => poll(member));
  };
}
