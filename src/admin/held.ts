import type { BackendPool } from '../backends/pool.ts';
import type { EpochMs } from '../study.ts';

/** Why nothing is sent to a backend now; null while it is being sent to. Also for one that studies are bound to still, and that has left the topology. */
export function heldBack(
  pool: Pick<BackendPool, 'health' | 'sendable'>,
  backend: string,
  now: EpochMs,
): string | null {
  if (pool.health(backend) === null) return `${backend} is not in the topology any more`;
  const sendable = pool.sendable(backend, now);
  return sendable.ok ? null : sendable.reason;
}
