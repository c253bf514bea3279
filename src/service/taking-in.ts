import { join } from 'node:path';
import { countingArrivals } from '../backends/flow.ts';
import { type Admission, createAdmission } from '../intake/admission.ts';
import { createHook, type Hook } from '../intake/hook.ts';
import { createNoting } from '../intake/noting.ts';
import { createReconciler, type Reconciler } from '../intake/reconciler.ts';
import type { ReceivedAnswer } from '../ledger/ledger.ts';
import type { Lanes } from '../transfer/lanes.ts';
import type { Deciding } from './deciding.ts';
import type { Ground } from './ground.ts';
import type { Orthancs } from './orthancs.ts';
import type { Watching } from './watching.ts';

/** How the service hears of what stands on the fronts, and whether they take more. */
export interface TakingIn {
  readonly reconciler: Reconciler;
  readonly admission: Admission;
  readonly hook: Hook;
}

/** The hook answers as soon as somebody listens for it; comparing and admission begin when they are started. */
export function createTakingIn(
  { topology, home, ledger, metrics, clock, log, onStop }: Ground,
  { fronts }: Orthancs,
  { flow }: Watching,
  { dispatcher }: Deciding,
  lanes: Lanes,
  hookToken: string,
): TakingIn {
  const noted = countingArrivals(ledger, flow);
  const reconciler = createReconciler({
    ledger: { ...ledger, ...noted },
    fronts,
    clock,
    log,
    metrics,
    onStudies: (studies) => {
      for (const study of studies) dispatcher.studyWaits(study);
      lanes.wakeAll();
    },
  });
  onStop(() => reconciler.stop());
  const admission = createAdmission({
    ledger,
    limits: topology.routing.admission,
    fronts: new Map(topology.fronts.map(({ name }) => [name, join(home, 'admission', name)])),
    clock,
    log,
    metrics,
  });
  onStop(() => admission.stop());
  const onReceived = (study: string, { assignments }: ReceivedAnswer): void => {
    if (assignments.length === 0) dispatcher.studyWaits(study);
    else for (const assignment of assignments) lanes.wake(assignment.backend);
  };
  const { gatherMs: transferGatherMs } = topology.routing.batch;
  const noting = createNoting({ ledger: noted, clock, log, transferGatherMs, onNoted: onReceived });
  lanes.beforeClaim((backend) => noting.beforeClaim(backend));
  onStop(() => noting.stop());
  const hook = createHook({
    noting,
    token: hookToken,
    fronts: new Set(fronts.keys()),
    log,
    metrics,
    admission,
    onReceived,
  });
  return { reconciler, admission, hook };
}
