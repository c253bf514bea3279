import { type Arrivals, createArrivals } from '../backends/arrivals.ts';
import { createFlow, type Flow } from '../backends/flow.ts';
import { createLearning, type Learning } from '../backends/learning.ts';
import { createPoller, type Poller } from '../backends/poller.ts';
import { createPool, type LivePool } from '../backends/pool-live.ts';
import type { Ground } from './ground.ts';
import type { Orthancs } from './orthancs.ts';

/** What is known of the backends and of what comes and goes. */
export interface Watching {
  readonly learning: Learning;
  readonly arrivals: Arrivals;
  readonly pool: LivePool;
  readonly poller: Poller;
  readonly flow: Flow;
}

/** Learning and polling begin when they are started; nothing of what was learnt before is lost meanwhile. */
export function createWatching(ground: Ground, { fronts, backends, peers }: Orthancs): Watching {
  const { topology, ledger, clock, random, log, onStop } = ground;
  const { sampleMs, downAfter } = topology.history;
  const learning = createLearning({ backends: topology.backends.map(({ name }) => name), ledger, log });
  onStop(() => learning.stop());
  const arrivals = createArrivals({ ledger, settleMs: topology.routing.settleMs, now: clock() });
  const pool = createPool({
    backends: topology.backends,
    ledger,
    learning,
    arrivals,
    downAfter,
    clock,
    random,
    log,
  });
  onStop(() => pool.close());
  const poller = createPoller({
    orthancs: new Map([...fronts, ...backends]),
    isFront: (backend) => peers.isFront(backend),
    pool,
    ledger,
    sampleMs,
    clock,
    log,
  });
  return { learning, arrivals, pool, poller, flow: createFlow(clock) };
}
