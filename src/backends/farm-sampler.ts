import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../study.ts';
import type { Flow } from './flow.ts';
import { realTimers, type Timers } from './timers.ts';

export interface FarmSamplerDeps {
  readonly ledger: Pick<Ledger, 'queue' | 'addFarmSample'>;
  readonly flow: Pick<Flow, 'take'>;
  readonly sampleMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timers?: Timers;
}

export interface FarmSampler {
  /** Keeps a sample now. Never throws: one that cannot be kept is lost, and said so; it is history, not work. */
  sample(): void;
  start(): void;
  /** Keeps what came and went since the last sample. */
  stop(): void;
}

/** Keeps what came and went, and what waits, as often as the load of each Orthanc is kept. */
export function createFarmSampler({
  ledger,
  flow,
  sampleMs,
  clock,
  log,
  timers = realTimers,
}: FarmSamplerDeps): FarmSampler {
  let endTimer: (() => void) | null = null;
  let since = clock();

  function sample(): void {
    const now = clock();
    const taken = since;
    const moved = flow.take();
    since = now;
    try {
      const { instances, oldestAt, quarantined } = ledger.queue();
      ledger.addFarmSample({
        at: now,
        spanMs: now - taken,
        inInstances: moved.in.instances,
        inBytes: Math.round(moved.in.bytes),
        outInstances: moved.out.instances,
        outBytes: Math.round(moved.out.bytes),
        waitingInstances: instances,
        oldestAgeMs: oldestAt === null ? 0 : Math.max(0, now - oldestAt),
        quarantined,
      });
    } catch (error) {
      log.error('a sample of the farm could not be kept', {
        code: error instanceof LedgerError ? error.code : 'failed',
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }

  return {
    sample,
    start() {
      endTimer ??= timers.every(sampleMs, sample);
    },
    stop() {
      if (endTimer === null) return;
      endTimer();
      endTimer = null;
      sample();
    },
  };
}
