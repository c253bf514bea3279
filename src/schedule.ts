import { createTask } from 'node-cron';
import { onClockStep } from './clock.ts';
import type { Logger } from './log.ts';

export interface Scheduled {
  /** No run begins any more; one under way ends by itself. */
  stop(): Promise<void>;
}

/**
 * Runs a job by a node-cron expression (seconds first), never beside itself: a run that is due while the last one is still going
 * on is left out. A failure is logged and the schedule goes on; jobs here make up for missed runs by themselves.
 *
 * When the machine's clock is set, the schedule begins anew: node-cron would go on to wait for the time it had in mind, an hour when
 * the clock was set back by one.
 */
export function schedule(
  name: string,
  expression: string,
  job: () => void | Promise<void>,
  log: Logger,
): Scheduled {
  // node-cron prints to the console unless told otherwise.
  const logger = {
    info: (message: string): void => void log.debug(message),
    warn: (message: string): void => void log.warn(message),
    error: (message: string | Error): void => void log.error(String(message)),
    debug: (message: string | Error): void => void log.debug(String(message)),
  };
  let running = false;
  const guarded = async (): Promise<void> => {
    // One of before the clock was set may still be going on.
    if (running) return;
    running = true;
    try {
      await job();
    } catch (error) {
      log.error(`${name} failed`, { detail: error instanceof Error ? error.message : String(error) });
    } finally {
      running = false;
    }
  };
  const begin = () => {
    const task = createTask(expression, guarded, {
      name,
      noOverlap: true,
      unref: true,
      suppressMissedWarning: true,
      logger,
    });
    void task.start();
    return task;
  };
  let task = begin();
  const release = onClockStep(() => {
    void task.destroy();
    task = begin();
  });
  return {
    async stop() {
      release();
      await task.destroy();
    },
  };
}
