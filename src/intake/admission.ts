import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Clock, EpochMs } from '../study.ts';
import type { AdmissionConfig } from '../topology/topology.ts';

export interface AdmissionDeps {
  readonly ledger: Pick<Ledger, 'queue'>;
  readonly limits: AdmissionConfig;
  /** The file each front's hook looks at before it takes an instance. */
  readonly files: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AdmissionState {
  readonly open: boolean;
  /** Why the fronts refuse new images; null while they take them. */
  readonly reason: string | null;
  readonly since: EpochMs;
}

export interface Admission {
  state(): AdmissionState;
  /** Looks at the backlog, and opens or closes. */
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

/**
 * Closes the fronts while too much waits, by a sign they look at: a small file that says until when it holds. The
 * modality is told "out of resources" and sends again later, which is better than acknowledging what may not fit.
 */
export function createAdmission(deps: AdmissionDeps): Admission {
  const { limits, clock, log } = deps;
  let state: AdmissionState = { open: true, reason: null, since: clock() };
  let timer: NodeJS.Timeout | null = null;
  const limited =
    limits.maxBacklogInstances !== null || limits.maxBacklogBytes !== null || limits.maxBacklogAgeMs !== null;

  function check(): void {
    const now = clock();
    const reason = limited
      ? overLimit(deps.ledger.queue(), limits, state.open ? 1 : limits.resume, now)
      : null;
    const open = reason === null;
    if (open !== state.open) {
      state = { open, reason, since: now };
      if (open) log.info('fronts take new images again');
      else log.warn('fronts refuse new images', { reason });
    } else if (!open) {
      state = { ...state, reason };
    }
    for (const file of deps.files) {
      if (reason === null) rmSync(file, { force: true });
      else putUp(file, `closed ${Math.ceil(now / 1000) + holdsSeconds} ${reason}\n`);
    }
  }

  function checkSafely(): void {
    try {
      check();
    } catch (error) {
      // Unknown backlog: the signs run out by themselves and the fronts go on receiving.
      const code = error instanceof LedgerError ? error.code : 'failed';
      log.error('admission could not be checked', {
        code,
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }

  return {
    state: () => state,
    check,
    start() {
      checkSafely();
      if (limited) timer = setInterval(checkSafely, everyMs);
    },
    stop() {
      if (timer !== null) clearInterval(timer);
      for (const file of deps.files) rmSync(file, { force: true });
    },
  };
}

/** Renamed into place, so that no front ever reads half a sign. */
function putUp(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}
