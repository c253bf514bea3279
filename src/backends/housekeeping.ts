import { createTask, type ScheduledTask } from 'node-cron';
import type { Logger } from 'winston';
import { type HistoryLedger, LedgerError } from '../ledger/ledger.ts';
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
const eachMinute = '5 * * * * *';
/** Not on the hour, when everything else on the machine starts too. */
const eachHour = '35 7 * * * *';

/** The schedules that keep the load history small: roll-up each minute, thinning each hour. */
export function createHousekeeping(options: HousekeepingOptions): Housekeeping {
  const { ledger, keep, clock, log } = options;
  let tasks: readonly ScheduledTask[] = [];

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

  /** node-cron prints to the console unless told otherwise. */
  const cronLog = {
    info: (message: string): void => void log.debug(message),
    warn: (message: string): void => void log.warn(message),
    error: (message: string | Error): void => void log.error(String(message)),
    debug: (message: string | Error): void => void log.debug(String(message)),
  };

  return {
    start() {
      if (tasks.length > 0) return;
      rollUp();
      const cronOptions = { noOverlap: true, unref: true, suppressMissedWarning: true, logger: cronLog };
      tasks = [
        createTask(eachMinute, rollUp, { name: 'history roll-up', ...cronOptions }),
        createTask(eachHour, thin, { name: 'history thinning', ...cronOptions }),
      ];
      for (const task of tasks) void task.start();
    },
    async stop() {
      const ended = tasks;
      tasks = [];
      for (const task of ended) await task.destroy();
    },
  };
}
