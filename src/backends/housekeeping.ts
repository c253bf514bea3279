import type { Logger } from 'winston';
import { type HistoryLedger, LedgerError } from '../ledger/ledger.ts';
import { type Scheduled, schedule } from '../schedule.ts';
import type { Clock } from '../study.ts';
import type { HistoryConfig } from '../topology/topology.ts';

export interface HousekeepingOptions {
  readonly ledger: Pick<HistoryLedger, 'rollUp' | 'thin'>;
  readonly keep: Pick<HistoryConfig, 'keepRawMs' | 'keepMinutesMs' | 'keepHoursMs'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Housekeeping {
  /** Makes up for what was missed while the service was away, then keeps the schedules. */
  start(): void;
  stop(): Promise<void>;
}

/** Some seconds into the minute: what ended with the minute has been written by then. */
const rollUpTimes = '5 * * * * *';
/** Often and little: one call deletes a bounded number of rows, so that it never holds up the hook. */
const thinTimes = '35 * * * * *';

/** The schedules that keep the load history small: roll-up and thinning, each minute. */
export function createHousekeeping(options: HousekeepingOptions): Housekeeping {
  const { ledger, keep, clock, log } = options;
  let tasks: readonly Scheduled[] = [];

  /** Whatever fails is tried again at the next time, and both jobs make up for missed runs. */
  function attempt(what: string, job: () => void): void {
    try {
      job();
    } catch (error) {
      log.error(`${what} of the load history failed`, {
        code: error instanceof LedgerError ? error.code : 'failed',
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }

  const rollUp = (): void => attempt('roll-up', () => ledger.rollUp(clock()));
  const thin = (): void =>
    attempt('thinning', () =>
      ledger.thin(clock(), {
        rawMs: keep.keepRawMs,
        minutesMs: keep.keepMinutesMs,
        hoursMs: keep.keepHoursMs,
      }),
    );

  return {
    start() {
      if (tasks.length > 0) return;
      rollUp();
      tasks = [
        schedule('history roll-up', rollUpTimes, rollUp, log),
        schedule('history thinning', thinTimes, thin, log),
      ];
    },
    async stop() {
      const ended = tasks;
      tasks = [];
      for (const task of ended) await task.stop();
    },
  };
}
