import type { Logger } from 'winston';
import { prior } from '../decision/model/service.ts';
import type { Candidate } from '../decision/policy.ts';
import type { BackendLedger, BackendLoad } from '../ledger/ledger.ts';
import type { Clock, EpochMs, OperatorState } from '../study.ts';
import type { BackendConfig } from '../topology/topology.ts';
import { type Arrivals, nothing, type Reserved } from './arrivals.ts';
import { afterFailure, type BackOff } from './backoff.ts';
import { type HealthState, healthReason, observe, unheard } from './health.ts';
import type { Learning } from './learning.ts';
import type { BackendPool, BackendStatus, Sendable } from './pool.ts';
import { realTimers, type Timers } from './timers.ts';
import { createUnderWay, type Load, type UnderWay } from './under-way.ts';

export interface PoolOptions {
  /** In the order of the topology, which is the order of everything the pool lists. */
  readonly backends: readonly BackendConfig[];
  readonly ledger: BackendLedger;
  /** Silences in a row before a backend counts as down. */
  readonly downAfter: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** What was learnt of their speed; without it each has the prior. */
  readonly learning?: Pick<Learning, 'model' | 'learnt'>;
  /** What is still to come of the studies bound to them; without it nothing is. */
  readonly arrivals?: Pick<Arrivals, 'reserved'>;
  /** In [0, 1). */
  readonly random?: () => number;
  readonly timers?: Timers;
}

export interface LivePool extends BackendPool {
  /** What may be changed while it runs: weight, lanes and disk, of those backends that it has. */
  configure(backends: readonly BackendConfig[]): void;
  /** Ends the timers of back-offs. The pool may still be read. */
  close(): void;
}

/** Failures in a row after which the breaker opens. One may be the image's fault, or a connection's. */
const failuresToOpen = 2;
/** After it closed, a backend that has just come round is given one transfer at a time for so long. */
const slowStartMs = 20_000;

/** One backend as it is now. Only what an operator said is durable; the rest is found out anew after a start. */
interface Member {
  config: BackendConfig;
  readonly underWay: UnderWay;
  /** A free lane found nothing to send. */
  idle: boolean;
  /** What was bound and could not be sent then; null: not counted yet. */
  blocked: Load | null;
  operator: OperatorState;
  /** Null: the topology's. */
  weightSet: number | null;
  health: HealthState;
  busyLanes: number;
  backOff: BackOff | null;
  /** When the first of the failures in a row happened; null: the last transfer ended well, or there was none. */
  failingSince: EpochMs | null;
  breakerOpen: boolean;
  /** After the breaker closed, one lane only until then. */
  slowUntil: EpochMs;
  /** When an operator took it out; null: it is not in `maint`. */
  maintSince: EpochMs | null;
  endBackOffTimer: (() => void) | null;
  endSlowTimer: (() => void) | null;
  version: string | null;
  latencyMs: number | null;
  instances: number | null;
  diskBytes: number | null;
}

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
  const settings = new Map(ledger.backendSettings().map((setting) => [setting.backend, setting]));
  const members = new Map<string, Member>(
    options.backends.map((config) => [
      config.name,
      {
        config,
        underWay: createUnderWay(),
        idle: false,
        blocked: null,
        operator: settings.get(config.name)?.state ?? 'ready',
        weightSet: settings.get(config.name)?.weight ?? null,
        health: unheard(clock()),
        busyLanes: 0,
        backOff: null,
        failingSince: null,
        breakerOpen: false,
        slowUntil: 0,
        // What the ledger does not say: since when. From now on is never too early.
        maintSince: settings.get(config.name)?.state === 'maint' ? clock() : null,
        endBackOffTimer: null,
        endSlowTimer: null,
        version: null,
        latencyMs: null,
        instances: null,
        diskBytes: null,
      },
    ]),
  );

  function member(name: string): Member {
    const found = members.get(name);
    if (found === undefined) throw new RangeError(`there is no backend ${name} in the topology`);
    return found;
  }

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

  function statusOf(one: Member, load: BackendLoad | undefined): BackendStatus {
    const { config, health } = one;
    return {
      name: config.name,
      url: config.url,
      publicUrl: config.publicUrl,
      operator: one.operator,
      weight: weightOf(one),
      lanes: config.lanes,
      busyLanes: one.busyLanes,
      health: health.kind,
      healthReason: healthReason(health, config.url),
      healthSince: health.since,
      version: one.version,
      latencyMs: one.latencyMs,
      studiesInFlight: load?.studies ?? 0,
      instancesInFlight: load?.instances ?? 0,
      bytesInFlight: load?.bytes ?? 0,
      retryAt: one.backOff === null || one.backOff.until <= clock() ? null : one.backOff.until,
      lastFailure: one.backOff?.text ?? null,
      outSince: outOf(one)?.since ?? null,
      breaker: breakerOf(one, clock()),
      instances: one.instances,
      diskBytes: one.diskBytes,
    };
  }

  function endBackOff(one: Member): void {
    one.backOff = null;
    one.failingSince = null;
    one.breakerOpen = false;
    one.endBackOffTimer?.();
    one.endBackOffTimer = null;
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
      return one === undefined ? null : statusOf(one, loadsByName().get(name));
    },

    statuses() {
      const loads = loadsByName();
      return [...members.values()].map((one) => statusOf(one, loads.get(one.config.name)));
    },

    health: (name) => members.get(name)?.health.kind ?? null,

    candidates() {
      const now = clock();
      const loads = loadsByName();
      const placements = ledger.lastPlacements();
      const reserved = options.arrivals?.reserved(now) ?? new Map<string, Reserved>();
      return [...members.values()].map((one): Candidate => {
        const { config, health } = one;
        const load = loads.get(config.name);
        const toCome = reserved.get(config.name) ?? nothing;
        const inFlight = inFlightOf(one, load);
        return {
          backend: config.name,
          weight: weightOf(one),
          lanes: lanesOf(one, now),
          busyLanes: one.busyLanes,
          studiesInFlight: load?.studies ?? 0,
          instancesInFlight: inFlight.instances,
          bytesInFlight: inFlight.bytes,
          lastPlacement: placements.get(config.name) ?? 0,
          operator: one.operator,
          health: health.kind,
          healthReason: healthReason(health, config.url),
          service: options.learning?.model(config.name) ?? prior,
          reserved: toCome,
          quiet: one.underWay.quiet(),
          freeBytes: freeBytes(one, (load?.bytes ?? 0) + toCome.bytes),
          diskBytes: config.disk ?? null,
          breakerReason: isHeldBack(one, load?.studies ?? 0, now)
            ? `its last transfers failed (${one.backOff?.text ?? ''})`
            : null,
        };
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
      if (one === undefined) return { since: madeAt, reason: `${name} is not in the topology any more` };
      return outOf(one);
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
      const one = member(name);
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
      return statusOf(one, loadsByName().get(name));
    },

    observed(name, observation) {
      const one = member(name);
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
      for (const { name, weight, lanes, disk = null } of backends) {
        const one = members.get(name);
        if (one === undefined) continue;
        const { config } = one;
        if (config.weight === weight && config.lanes === lanes && config.disk === disk) continue;
        one.config = { ...config, weight, lanes, disk };
        notify(name);
      }
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

/** The earliest of all that keeps it from serving. */
function outOf(one: Member): { readonly since: EpochMs; readonly reason: string } | null {
  const { health, config, failingSince, maintSince } = one;
  const causes = [
    maintSince === null ? null : { since: maintSince, reason: 'in maint' },
    health.kind === 'down'
      ? { since: health.since, reason: healthReason(health, config.url) ?? 'down' }
      : null,
    one.breakerOpen && failingSince !== null
      ? { since: failingSince, reason: `its transfers fail (${one.backOff?.text ?? ''})` }
      : null,
  ].filter((cause) => cause !== null);
  return causes.toSorted((a, b) => a.since - b.since)[0] ?? null;
}

function breakerOf(one: Member, now: EpochMs): 'closed' | 'open' | 'half-open' {
  if (!one.breakerOpen) return 'closed';
  return one.busyLanes > 0 || one.backOff === null || now >= one.backOff.until ? 'half-open' : 'open';
}

/** What is bound and can go; see `BackendPool.nothingToSend`. Bound since then counts at once. */
function inFlightOf(one: Member, load: Load = { instances: 0, bytes: 0 }): Load {
  if (!one.idle) return load;
  const { instances, bytes } = one.underWay.load();
  one.blocked ??= {
    instances: Math.max(0, load.instances - instances),
    bytes: Math.max(0, load.bytes - bytes),
  };
  return {
    instances: Math.max(0, load.instances - one.blocked.instances),
    bytes: Math.max(0, load.bytes - one.blocked.bytes),
  };
}

/** One transfer tries a backend that failed or has just come round: the others would only wait for the same failure, or stall beside it. */
function lanesOf(one: Member, now: EpochMs): number {
  return one.breakerOpen || now < one.slowUntil ? 1 : one.config.lanes;
}

/**
 * Nothing new while the breaker is open. When its pause is over and nothing is bound there any more, somebody has to try it, or it
 * would stay open for ever: then one study may go there.
 */
function isHeldBack(one: Member, studies: number, now: EpochMs): boolean {
  return one.breakerOpen && (studies > 0 || one.busyLanes > 0 || breakerOf(one, now) === 'open');
}

/** Of the space it was given, what is neither used by its last word nor spoken for; null: not known. */
function freeBytes({ config, diskBytes }: Member, spokenFor: number): number | null {
  const disk = config.disk ?? null;
  return disk === null || diskBytes === null ? null : disk - diskBytes - spokenFor;
}

function weightOf(one: Member): number {
  return one.weightSet ?? one.config.weight;
}
