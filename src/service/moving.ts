import { createEvacuator } from '../transfer/evacuate.ts';
import type { Evacuator, Failover, Healer, QuarantineDesk } from '../transfer/failover.ts';
import { createFailover } from '../transfer/failover-live.ts';
import { createHealer } from '../transfer/heal.ts';
import type { Lanes } from '../transfer/lanes.ts';
import { createQuarantineDesk } from '../transfer/quarantine.ts';
import { createSecondLook, type SecondLook } from '../transfer/second-look.ts';
import type { Deciding } from './deciding.ts';
import type { Ground } from './ground.ts';
import type { Orthancs } from './orthancs.ts';
import type { Watching } from './watching.ts';

/** What happens to studies whose way was not straight: another backend, two of them, none, or a person who decides. */
export interface Moving {
  readonly failover: Failover;
  readonly healer: Healer;
  readonly evacuator: Evacuator;
  readonly quarantine: QuarantineDesk;
  readonly secondLook: SecondLook;
}

/** Everything but the quarantine works by itself, from when it is started. */
export function createMoving(
  { topology, ledger, clock, random, log, onStop }: Ground,
  { fronts, backends, peers, twins }: Orthancs,
  { pool }: Watching,
  { policy, expected, dispatcher, onBound: onRebound }: Deciding,
  lanes: Lanes,
): Moving {
  const { rebindAfterMs, healAfterMs, lookupTimeoutMs, transferTimeout } = topology.routing;
  const failover = createFailover({
    ledger,
    pool,
    backends,
    policy,
    expected,
    rebindAfterMs,
    healAfterMs,
    lookupTimeoutMs,
    clock,
    log,
    onRebound,
  });
  onStop(() => failover.stop());
  const healer = createHealer({
    ledger,
    pool,
    fronts,
    backends,
    isFront: (backend) => peers.isFront(backend),
    onOneOrthanc: (one, other, orthancId) => twins.found(one, other, orthancId),
    transferTimeout,
    clock,
    random,
    log,
  });
  onStop(() => healer.stop());
  const evacuator = createEvacuator({
    twinOf: (backend) => twins.twinOf(backend),
    ledger,
    pool,
    backends,
    policy,
    expected,
    clock,
    log,
    onRebound,
  });
  onStop(() => evacuator.stop());
  const quarantine = createQuarantineDesk({
    ledger,
    fronts,
    backends,
    peers,
    transferTimeout,
    clock,
    log,
    onRequeued: (study) => {
      if (ledger.assignments(study).length === 0) dispatcher.studyWaits(study);
      lanes.wakeAll();
    },
  });
  const secondLook = createSecondLook({
    ledger,
    again: (instance) => quarantine.again(instance),
    clock,
    log,
  });
  onStop(() => secondLook.stop());
  return { failover, healer, evacuator, quarantine, secondLook };
}
