import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock, EpochMs } from '../study.ts';
import type { AdmissionConfig } from '../topology/topology.ts';
import type { AdmissionReport, FreeSpace } from './announcement.ts';

export interface AdmissionDeps {
  readonly ledger: Pick<Ledger, 'queue'>;
  readonly limits: AdmissionConfig;
  /** Name of each front → the file its hook looks at before it takes an instance. */
  readonly fronts: ReadonlyMap<string, string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'frontTakesImages' | 'frontFreeBytes' | 'frontRefusedImages'>;
}

/** Of one front. */
export interface AdmissionState {
  readonly open: boolean;
  /** Why it refuses new images; null while it takes them. */
  readonly reason: string | null;
  readonly since: EpochMs;
}

/**
 * Two may close a front: the service, when too much waits, and the front itself, when its disk is nearly full, which works
 * while the service is away. Here both are known.
 */
export interface Admission {
  /** Of a front; one that nobody has said anything of is open. */
  state(front: string): AdmissionState;
  /** Free space of the disks a front writes to, as it last said; null: it has not said. */
  freeBytes(front: string): number | null;
  /** What a front says of its own limit. */
  reported(report: AdmissionReport): void;
  /** Free space a front has found. */
  measured(found: FreeSpace): void;
  /** Looks at the backlog, and puts the signs up or takes them down. */
  check(): void;
  start(): void;
  stop(): void;
}

export interface Backlog {
  readonly instances: number;
  readonly bytes: number;
  readonly oldestAt: EpochMs | null;
}

const everyMs = 1000;
/** How long a closed sign holds when nobody renews it: a service that is away must not keep its fronts closed. */
const holdsSeconds = 5;

/**
 * Which limit the backlog is over, in words, or null. `factor` < 1 gives the lower mark below which a front that was
 * closed opens again; without that distance it would flap at every image.
 */
export function overLimit(
  backlog: Backlog,
  limits: AdmissionConfig,
  factor: number,
  now: EpochMs,
): string | null {
  const { maxBacklogInstances, maxBacklogBytes, maxBacklogAgeMs } = limits;
  if (maxBacklogInstances !== null && backlog.instances > maxBacklogInstances * factor) {
    return `${backlog.instances} instances wait; the limit is ${maxBacklogInstances}`;
  }
  if (maxBacklogBytes !== null && backlog.bytes > maxBacklogBytes * factor) {
    return `${backlog.bytes} bytes wait; the limit is ${maxBacklogBytes}`;
  }
  if (
    maxBacklogAgeMs !== null &&
    backlog.oldestAt !== null &&
    now - backlog.oldestAt > maxBacklogAgeMs * factor
  ) {
    return `the oldest instance has waited ${Math.round((now - backlog.oldestAt) / 1000)} s; the limit is ${maxBacklogAgeMs / 1000} s`;
  }
  return null;
}

interface FrontDoor {
  state: AdmissionState;
  /** What the front said last: why its own disk takes no more. */
  diskFull: string | null;
  /** Of which start of the front, and how many it had refused by then. */
  startedAt: number | null;
  refused: number;
  /** The free space shown, and when it was read. */
  freeBytes: number | null;
  freeAt: number;
}

/**
 * Closes the fronts while too much waits, by a sign they look at: a small file that says until when it holds. The
 * modality is told "out of resources" and sends again later, which is better than acknowledging what may not fit.
 */
export function createAdmission(deps: AdmissionDeps): Admission {
  const { limits, clock, log, metrics } = deps;
  const doors = new Map<string, FrontDoor>();
  for (const front of deps.fronts.keys()) {
    doors.set(front, {
      state: opened(clock()),
      diskFull: null,
      startedAt: null,
      refused: 0,
      freeBytes: null,
      freeAt: 0,
    });
    metrics.frontTakesImages.set({ front }, 1);
    metrics.frontRefusedImages.inc({ front }, 0);
  }
  let backlogged: string | null = null;
  let failing = false;
  let timer: NodeJS.Timeout | null = null;
  const limited =
    limits.maxBacklogInstances !== null || limits.maxBacklogBytes !== null || limits.maxBacklogAgeMs !== null;

  function update(front: string, door: FrontDoor): void {
    const reason = backlogged ?? door.diskFull;
    const open = reason === null;
    if (open === door.state.open) {
      door.state = { ...door.state, reason };
      return;
    }
    door.state = { open, reason, since: clock() };
    metrics.frontTakesImages.set({ front }, open ? 1 : 0);
    if (open) log.info('front takes new images again', { front });
    else log.warn('front refuses new images', { front, reason });
  }

  /** Announcements come late, with an older figure than the report that overtook them. A clock set back is no reason to stop. */
  function show({ front, freeBytes, freeAt }: FreeSpace): void {
    const door = doors.get(front);
    if (door === undefined || freeBytes === null || freeAt === null) return;
    if (freeAt < door.freeAt && door.freeAt - freeAt < 3600) return;
    door.freeAt = freeAt;
    door.freeBytes = freeBytes;
    metrics.frontFreeBytes.set({ front }, freeBytes);
  }

  function check(): void {
    const now = clock();
    backlogged = limited
      ? overLimit(deps.ledger.queue(), limits, backlogged === null ? 1 : limits.resume, now)
      : null;
    for (const [front, door] of doors) update(front, door);
    for (const file of deps.fronts.values()) {
      if (backlogged === null) rmSync(file, { force: true });
      else putUp(file, `closed ${Math.ceil(now / 1000) + holdsSeconds} ${backlogged}\n`);
    }
  }

  function checkSafely(): void {
    try {
      check();
      failing = false;
    } catch (error) {
      // Unknown backlog, or no room for a sign: those that are up run out by themselves, and the fronts go on receiving.
      const code = error instanceof LedgerError ? error.code : 'failed';
      const detail = error instanceof Error ? error.message : String(error);
      log[failing ? 'debug' : 'error']('admission could not be checked', { code, detail });
      failing = true;
    }
  }

  return {
    state: (front) => doors.get(front)?.state ?? opened(clock()),
    freeBytes: (front) => doors.get(front)?.freeBytes ?? null,
    reported(report) {
      const { front, open, reason, refused, startedAt } = report;
      const door = doors.get(front);
      if (door === undefined) return;
      show(report);
      // Reports may come twice, late, or from a front that has started anew: so totals are compared, not counts added up.
      const before = door.startedAt === startedAt ? door.refused : 0;
      const more = Math.max(0, (refused ?? before) - before);
      metrics.frontRefusedImages.inc({ front }, more);
      door.startedAt = startedAt;
      door.refused = before + more;
      door.diskFull = open ? null : (reason ?? 'it does not say why');
      update(front, door);
      if (open && more > 0) log.warn('front has refused images', { front, images: more, reason });
    },
    measured: show,
    check,
    start() {
      checkSafely();
      if (limited) timer = setInterval(checkSafely, everyMs);
    },
    stop() {
      if (timer !== null) clearInterval(timer);
      for (const file of deps.fronts.values()) rmSync(file, { force: true });
    },
  };
}

function opened(since: EpochMs): AdmissionState {
  return { open: true, reason: null, since };
}

/** Renamed into place, so that no front ever reads half a sign. */
function putUp(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}
