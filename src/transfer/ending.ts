import type { BackendPool } from '../backends/pool.ts';

/** What ends a transfer before its time. */
export interface Ending {
  /** Aborted when it is to end, and after `release`: then for what was left over. */
  readonly signal: AbortSignal;
  /** Null: nothing ends it. */
  why(): 'stopping' | 'backend-down' | null;
  release(): void;
}

/** Why a signal is aborted after `release`. Made once: the error that is made otherwise takes a stack trace with it. */
const over = new Error('the transfer is over');

/**
 * Ends a transfer when the service stops (`stopping`), and when its backend goes down, leaves, or moves: a connection that hangs would hold a lane
 * for minutes, and what it carried is asked for again in any case.
 */
export function endingOf(
  pool: Pick<BackendPool, 'health' | 'onChange'>,
  backend: string,
  stopping: AbortSignal,
): Ending {
  const controller = new AbortController();
  let why: 'stopping' | 'backend-down' | null = null;
  const end = (reason: 'stopping' | 'backend-down'): void => {
    why ??= reason;
    controller.abort();
  };
  const stop = (): void => end('stopping');
  let seen = pool.health(backend);
  const look = (): void => {
    const before = seen;
    seen = pool.health(backend);
    // Not heard of any more, after it had been: it left the topology, or is to be found at another address now.
    if (seen === 'down' || (before === 'up' && seen !== 'up')) end('backend-down');
  };
  const forget = pool.onChange((name) => {
    if (name === backend) look();
  });
  stopping.addEventListener('abort', stop, { once: true });
  if (stopping.aborted) stop();
  else look();
  return {
    signal: controller.signal,
    why: () => why,
    release() {
      forget();
      stopping.removeEventListener('abort', stop);
      controller.abort(over);
    },
  };
}
