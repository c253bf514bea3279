import type { BackendLedger, BackendLoad } from '../ledger/ledger.ts';
import type { Clock, EpochMs } from '../study.ts';
import type { BackendConfig } from '../topology/topology.ts';
import { type Arrivals, nothing, type Reserved } from './arrivals.ts';
import { afterFailure } from './backoff.ts';
import { healthReason, observe } from './health.ts';
import type { Learning } from './learning.ts';
import {
  breakerOf,
  candidateOf,
  endBackOff,
  lanesOf,
  type Member,
  outOf,
  statusOf,
  weightOf,
} from './member.ts';
import { prior } from './model/service.ts';
import type { BackendPool, Sendable } from './pool.ts';
import { createRoster } from './roster.ts';
import { realTimers, type Timers } from './timers.ts';

/** What the pool needs of a log: any of winston's will do. */
export type PoolLog = Readonly<
  Record<'info' | 'warn' | 'error', (message: string, fields: Readonly<Record<string, unknown>>) => unknown>
>;

export interface PoolOptions {
  /** In the order of the topology, which is the order of everything the pool lists. */
  readonly backends: readonly BackendConfig[];
  readonly ledger: BackendLedger;
  /** Silences in a row before a backend counts as down. */
  readonly downAfter: number;
  readonly clock: Clock;
  readonly log: PoolLog;
  /** What was learnt of their speed; without it each has the prior. */
  readonly learning?: Pick<Learning, 'model' | 'learnt'>;
  /** What is still to come of the studies bound to them; without it nothing is. */
  readonly arrivals?: Pick<Arrivals, 'reserved'>;
  /** In [0, 1). */
  readonly random?: () => number;
  readonly timers?: Timers;
}

export interface LivePool extends BackendPool {
  /**
   * The topology as it is now. What came is found out about from nothing, but for what an operator once said of it; so is what moved to
   * another address. What left may be named still, by transfers that are just ending; that changes nothing.
   *
   * @throws LedgerError, and then nothing was changed
   */
  configure(backends: readonly BackendConfig[]): void;
  /** Ends the timers of back-offs. The pool may still be read. */
  close(): void;
}

/** Failures in a row after which the breaker opens. One may be the image's fault, or a connection's. */
const failuresToOpen = 2;
/** After it closed, a backend that has just come round is given one transfer at a time for so long. */
const slowStartMs = 20_000;

/**
 * The backends of the topology as they are now. Names that are not in the topology, which the ledger may still know from
 * an earlier one, may be asked for and are never sendable; changing them is an error.
 *
 * @throws LedgerError when what operators have set cannot be read.
 */
export function createPool(options: PoolOptions): LivePool {
  const { ledger, clock, log } = options;
  const random = options.random ?? Math.random;
  const timers = options.timers ?? realTimers;
  const listeners = new Set<(name: string) => void>();
  const madeAt = clock();
  const roster = createRoster(options.backends, ledger, clock);
  const { members, member } = roster;

  function notify(name: string): void {
    for (const listener of listeners) {
      try {
        listener(name);
      } catch (error) {
        // One room's mistake must not keep the others from hearing of the change.
        log.error('a listener to the backends failed', { backend: name, detail: String(error) });
      }
    }
  }

  function loadsByName(): ReadonlyMap<string, BackendLoad> {
    return new Map(ledger.loads().map((load) => [load.backend, load]));
  }

  /** Says when the back-off is over; the failure count stays until a transfer succeeds. */
  function watchBackOff(one: Member, now: EpochMs): void {
    one.endBackOffTimer?.();
    one.endBackOffTimer = null;
    const remaining = (one.backOff?.until ?? now) - now;
    one.endBackOffTimer = timers.after(Math.max(0, remaining), () => {
      one.endBackOffTimer = null;
      // Timers may fire a little early by the clock that `sendable` is asked with; then nobody would come back.
      if (one.backOff !== null && clock() < one.backOff.until) watchBackOff(one, clock());
      else notify(one.config.name);
    });
  }

  function startSlowly(one: Member, now: EpochMs): void {
    one.slowUntil = now + slowStartMs;
    one.endSlowTimer?.();
    one.endSlowTimer = timers.after(slowStartMs, () => {
      one.endSlowTimer = null;
      notify(one.config.name);
    });
  }

  return {
    names: () => [...members.keys()],

    status(name) {
      const one = members.get(name);
      return one === undefined ? null : statusOf(one, loadsByName().get(name), clock());
    },

    statuses() {
      const loads = loadsByName();
      return [...members.values()].map((one) => statusOf(one, loads.get(one.config.name), clock()));
    },

    health: (name) => members.get(name)?.health.kind ?? null,

    publicUrl: (name) => members.get(name)?.config.publicUrl ?? null,

    candidates() {
      const now = clock();
      const loads = loadsByName();
      const placements = ledger.lastPlacements();
      const reserved = options.arrivals?.reserved(now) ?? new Map<string, Reserved>();
      return [...members.values()].map((one) => {
        const { name } = one.config;
        const books = {
          load: loads.get(name),
          lastPlacement: placements.get(name) ?? 0,
          service: options.learning?.model(name) ?? prior,
          reserved: reserved.get(name) ?? nothing,
        };
        return candidateOf(one, books, now);
      });
    },

    sendable(name, now): Sendable {
      const one = members.get(name);
      if (one === undefined) return { ok: false, reason: `${name} is not in the topology`, until: null };
      // `drain` still sends: studies that are bound finish.
      if (one.operator === 'maint') return { ok: false, reason: `${name} is in maint`, until: null };
      if (one.health.kind !== 'up') {
        const why = healthReason(one.health, one.config.url) ?? one.health.kind;
        return { ok: false, reason: `waits until ${name} answers: ${why}`, until: null };
      }
      if (one.backOff !== null && now < one.backOff.until) {
        return { ok: false, reason: `pause after a failure (${one.backOff.text})`, until: one.backOff.until };
      }
      return { ok: true };
    },

    outSince(name) {
      const one = members.get(name);
      if (one !== undefined) return outOf(one);
      return { since: roster.leftAt(name) ?? madeAt, reason: `${name} is not in the topology any more` };
    },

    breaker(name) {
      const one = members.get(name);
      return one === undefined ? 'closed' : breakerOf(one, clock());
    },

    lanesForRetries: (name) => Math.max(1, Math.floor((members.get(name)?.config.lanes ?? 0) / 2)),

    freeLanes(name) {
      const one = members.get(name);
      if (one === undefined) return 0;
      return Math.max(0, lanesOf(one, clock()) - one.busyLanes);
    },

    setOperator(name, change, now) {
      const one = members.get(name);
      if (one === undefined) throw new RangeError(`there is no backend ${name} in the topology`);
      const { weight } = change;
      if (typeof weight === 'number' && !(Number.isFinite(weight) && weight >= 0)) {
        throw new RangeError(`weight must be a number from 0, not ${weight}`);
      }
      const state = change.state ?? one.operator;
      const weightSet = weight === undefined ? one.weightSet : weight;
      // Durable first: what the ledger refuses has not been said.
      ledger.setBackend({ backend: name, state, weight: weightSet }, now);
      if (state !== 'maint') one.maintSince = null;
      else if (one.operator !== 'maint') one.maintSince = now;
      one.operator = state;
      one.weightSet = weightSet;
      log.info('backend set by an operator', { backend: name, state, weight: weightOf(one) });
      notify(name);
      return statusOf(one, loadsByName().get(name), clock());
    },

    observed(name, observation) {
      const one = member(name);
      if (!members.has(name)) return;
      const before = one.health;
      one.health = observe(before, observation, options.downAfter);
      if (observation.up) {
        one.latencyMs = observation.latencyMs ?? one.latencyMs;
        one.instances = observation.instances ?? one.instances;
        one.diskBytes = observation.diskBytes ?? one.diskBytes;
        one.version = observation.version ?? one.version;
      }
      if (one.health.kind === before.kind) return;
      const { url } = one.config;
      if (one.health.kind === 'up') {
        log.info('backend is up', { backend: name, url });
        // Its failures belong to what is over now.
        endBackOff(one);
        notify(name);
      } else {
        one.latencyMs = null;
        log.warn('backend is down', { backend: name, reason: healthReason(one.health, url) });
        notify(name);
      }
    },

    laneTaken(name, carried) {
      const one = member(name);
      one.busyLanes++;
      one.idle = false;
      one.blocked = null;
      if (carried !== undefined) one.underWay.began(carried);
    },

    nothingToSend(name) {
      const one = members.get(name);
      if (one === undefined) return;
      one.idle = true;
      one.blocked = null;
    },

    transferMoved(name, transfer, share, now) {
      members.get(name)?.underWay.moved(transfer, share, now);
    },

    laneFreed(name, transfer) {
      const one = member(name);
      if (transfer !== undefined) one.underWay.ended(transfer);
      if (one.busyLanes === 0) {
        // Below zero it would let more transfers run than the backend has lanes, and nobody would see why.
        log.error('a lane was freed that nobody had taken', { backend: name });
        return;
      }
      one.busyLanes--;
      notify(name);
    },

    transferSucceeded(name, now, sample) {
      const one = member(name);
      one.underWay.arrived(now);
      if (sample !== undefined) options.learning?.learnt(name, sample);
      const wasHeldBack = one.backOff !== null;
      if (one.breakerOpen) {
        startSlowly(one, now);
        log.info('transfers to the backend succeed again', { backend: name });
      }
      endBackOff(one);
      if (wasHeldBack) notify(name);
    },

    transferFailed(name, code, detail, now) {
      const one = member(name);
      if (!members.has(name)) return now;
      one.failingSince ??= now;
      one.backOff = afterFailure(one.backOff, { code, detail, now }, random);
      watchBackOff(one, now);
      if (!one.breakerOpen && (one.backOff.failures >= failuresToOpen || code === 'stalled')) {
        one.breakerOpen = true;
        log.warn('transfers to the backend fail', { backend: name, code, detail });
        notify(name);
      }
      return one.backOff.until;
    },

    configure(backends) {
      // Not before all are in their places: who listens may look at any of them.
      for (const name of roster.follow(backends)) notify(name);
    },

    onChange(listener) {
      // A wrapper, so that the same function may listen twice and stop once.
      const own = (name: string): void => listener(name);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },

    close() {
      for (const one of members.values()) {
        one.endBackOffTimer?.();
        one.endBackOffTimer = null;
        one.endSlowTimer?.();
        one.endSlowTimer = null;
      }
    },
  };
}
