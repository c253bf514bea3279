import type { Candidate } from '../decision/policy.ts';
import type { BackendLoad, BackendSetting } from '../ledger/ledger.ts';
import type { EpochMs, OperatorState } from '../study.ts';
import type { BackendConfig } from '../topology/topology.ts';
import type { Reserved } from './arrivals.ts';
import type { BackOff } from './backoff.ts';
import { type HealthState, healthReason, unheard } from './health.ts';
import type { ServiceModel } from './model/service.ts';
import type { BackendStatus } from './pool.ts';
import { createUnderWay, type Load, type UnderWay } from './under-way.ts';

/** One backend as it is now. Only what an operator said is durable; the rest is found out anew after a start. */
export interface Member {
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

/** One that nothing is known of, but for what an operator said of it. */
export function newMember(config: BackendConfig, setting: BackendSetting | undefined, now: EpochMs): Member {
  return {
    config,
    underWay: createUnderWay(),
    idle: false,
    blocked: null,
    operator: setting?.state ?? 'ready',
    weightSet: setting?.weight ?? null,
    health: unheard(now),
    busyLanes: 0,
    backOff: null,
    failingSince: null,
    breakerOpen: false,
    slowUntil: 0,
    // What the ledger does not say: since when. From now on is never too early.
    maintSince: setting?.state === 'maint' ? now : null,
    endBackOffTimer: null,
    endSlowTimer: null,
    version: null,
    latencyMs: null,
    instances: null,
    diskBytes: null,
  };
}

/** Its failures are over. */
export function endBackOff(one: Member): void {
  one.backOff = null;
  one.failingSince = null;
  one.breakerOpen = false;
  one.endBackOffTimer?.();
  one.endBackOffTimer = null;
}

/** It left, or is at another address now: nothing of what was seen of it tells anything any more. */
export function forgetWhatItWas(one: Member, now: EpochMs): void {
  endBackOff(one);
  one.endSlowTimer?.();
  one.endSlowTimer = null;
  one.slowUntil = 0;
  one.health = unheard(now);
  one.version = null;
  one.latencyMs = null;
  one.instances = null;
  one.diskBytes = null;
}

/** The backend as people see it. */
export function statusOf(one: Member, load: BackendLoad | undefined, now: EpochMs): BackendStatus {
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
    retryAt: one.backOff === null || one.backOff.until <= now ? null : one.backOff.until,
    lastFailure: one.backOff?.text ?? null,
    outSince: outOf(one)?.since ?? null,
    breaker: breakerOf(one, now),
    instances: one.instances,
    diskBytes: one.diskBytes,
    diskLimitBytes: config.disk ?? null,
  };
}

/** What others know of a backend. */
export interface Books {
  readonly load: BackendLoad | undefined;
  readonly lastPlacement: number;
  readonly service: ServiceModel;
  readonly reserved: Reserved;
}

/** The backend as policies see it. */
export function candidateOf(one: Member, books: Books, now: EpochMs): Candidate {
  const { config, health } = one;
  const inFlight = inFlightOf(one, books.load);
  return {
    backend: config.name,
    weight: weightOf(one),
    lanes: lanesOf(one, now),
    busyLanes: one.busyLanes,
    studiesInFlight: books.load?.studies ?? 0,
    instancesInFlight: inFlight.instances,
    bytesInFlight: inFlight.bytes,
    lastPlacement: books.lastPlacement,
    operator: one.operator,
    health: health.kind,
    healthReason: healthReason(health, config.url),
    service: books.service,
    reserved: books.reserved,
    quiet: one.underWay.quiet(),
    freeBytes: freeBytes(one, (books.load?.bytes ?? 0) + books.reserved.bytes),
    diskBytes: config.disk ?? null,
    breakerReason: isHeldBack(one, books.load?.studies ?? 0, now)
      ? `its last transfers failed (${one.backOff?.text ?? ''})`
      : null,
  };
}

/** The earliest of all that keeps it from serving. */
export function outOf(one: Member): { readonly since: EpochMs; readonly reason: string } | null {
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

/** `half-open`: its pause is over, or a transfer is trying it. */
export function breakerOf(one: Member, now: EpochMs): 'closed' | 'open' | 'half-open' {
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
export function lanesOf(one: Member, now: EpochMs): number {
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

/** What an operator set, else what the topology says. */
export function weightOf(one: Member): number {
  return one.weightSet ?? one.config.weight;
}
