import { createCarry } from '../transfer/carry.ts';
import { createFrontRest } from '../transfer/front-rest.ts';
import { createLanes, type Lanes } from '../transfer/lanes.ts';
import type { Ground } from './ground.ts';
import type { Orthancs } from './orthancs.ts';
import type { Watching } from './watching.ts';

/** The lanes to the backends. When the service stops, what is under way there gets `graceMs()`. */
export function createSending(
  { topology, ledger, metrics, clock, random, log, onStop }: Ground,
  { fronts, backends, peers }: Orthancs,
  { pool, poller, flow }: Watching,
  graceMs: () => number,
): Lanes {
  const { conflict, transferTimeout, stallMs, requestTimeoutMs, batch } = topology.routing;
  const frontRest = createFrontRest();
  const carry = createCarry({
    ledger,
    pool,
    frontRest,
    fronts,
    backends,
    peers,
    conflict,
    transferTimeout,
    stallMs,
    requestTimeoutMs,
    clock,
    random,
    log,
    metrics,
    onBackendTrouble: (backend) => poller.pollNow(backend),
    onCarried: (moved) => flow.carried(moved),
  });
  const lanes = createLanes({
    ledger,
    pool,
    frontRest,
    limits: batch,
    gatherMs: batch.gatherMs,
    carry,
    clock,
    log,
  });
  onStop(() => lanes.stop(graceMs()));
  onStop(pool.onChange((backend) => lanes.wake(backend)));
  return lanes;
}
