import { createFarmSampler, type FarmSampler } from '../backends/farm-sampler.ts';
import { createHousekeeping, type Housekeeping } from '../backends/housekeeping.ts';
import type { Lanes } from '../transfer/lanes.ts';
import { createSettler, type Settler } from '../transfer/settle.ts';
import type { Ground } from './ground.ts';
import type { Orthancs } from './orthancs.ts';
import type { Watching } from './watching.ts';

/** What lets go of what is done with: proven studies on the fronts, old rows of the ledger. */
export interface Upkeep {
  readonly settler: Settler;
  readonly housekeeping: Housekeeping;
  readonly farmSampler: FarmSampler;
}

/** All three work by themselves, from when they are started. */
export function createUpkeep(
  { topology, ledger, metrics, clock, log, onStop }: Ground,
  { fronts, backends, peers }: Orthancs,
  { flow }: Watching,
  lanes: Lanes,
): Upkeep {
  const settler = createSettler({
    ledger,
    fronts,
    backends,
    isFront: (backend) => peers.isFront(backend),
    onDoubt: () => lanes.wakeAll(),
    settleMs: topology.routing.settleMs,
    clock,
    log,
    metrics,
  });
  onStop(() => settler.stop());
  const housekeeping = createHousekeeping({ ledger, keep: topology.history, clock, log });
  onStop(() => housekeeping.stop());
  const farmSampler = createFarmSampler({ ledger, flow, sampleMs: topology.history.sampleMs, clock, log });
  onStop(() => farmSampler.stop());
  return { settler, housekeeping, farmSampler };
}
