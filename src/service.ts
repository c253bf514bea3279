import type { BackendPool } from './backends/pool.ts';
import { steadyClock } from './clock.ts';
import type { Ledger, LedgerError } from './ledger/ledger.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { createDeciding } from './service/deciding.ts';
import { openFaces } from './service/faces.ts';
import { openGround } from './service/ground.ts';
import { createMoving } from './service/moving.ts';
import { connectOrthancs } from './service/orthancs.ts';
import { createSending } from './service/sending.ts';
import { createTakingIn } from './service/taking-in.ts';
import { createUpkeep } from './service/upkeep.ts';
import { createWatching } from './service/watching.ts';
import type { TopologySource } from './steer/generated-files.ts';
import type { Clock } from './study.ts';
import type { Topology } from './topology/topology.ts';
import type { Evacuator, Failover, Healer, QuarantineDesk } from './transfer/failover.ts';

export interface ServiceOptions {
  readonly topology: Topology;
  /** Folder of the ledger and of the admission signs. */
  readonly home: string;
  readonly adminToken: string;
  readonly hookToken: string;
  /** Where the topology came from; without it nobody can change it through the service. */
  readonly source?: TopologySource;
  readonly version: string;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** The disk under the ledger failed a write. Nothing is sent or removed any more; whoever runs the service starts it anew. */
  readonly onDurabilityLost: (error: LedgerError) => void;
  /** The ledger is damaged. Whoever runs the service starts it anew, which moves the damaged one aside. */
  readonly onLedgerDamaged?: (error: LedgerError) => void;
}

export interface Service {
  /** Where it listens; the port is the real one when the topology's is 0. */
  readonly address: { readonly host: string; readonly port: number };
  readonly ledger: Ledger;
  readonly pool: BackendPool;
  readonly metrics: Metrics;
  readonly failover: Failover;
  readonly healer: Healer;
  readonly evacuator: Evacuator;
  readonly quarantine: QuarantineDesk;
  /** Takes over what may be changed while it runs (backends that come, change and go; policy, order, shadow), and says what may not. */
  reconfigure(topology: Topology): void;
  /** Compares the fronts with the ledger now, taking up everything at once. */
  reconcile(): Promise<void>;
  /** Ends in order. What is under way gets `graceMs` to finish; the rest is taken up at the next start. */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Builds the service from the bottom up, takes up what an earlier one left, and listens. Everything started is noted with
 * how to stop it; `stop`, or a failure half-way, runs those in reverse.
 *
 * @throws LedgerError when the ledger cannot be opened or is in use; a system error with its `code` when the port is busy.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { topology, home, source, log, random = Math.random } = options;
  const undo: (() => void | Promise<void>)[] = [];
  const onStop = (step: () => void | Promise<void>): void => void undo.push(step);
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  let grace = 10_000;

  try {
    const clock = options.clock ?? steadyClock((byMs) => toldOfClock(log, byMs));
    const { onDurabilityLost, onLedgerDamaged } = options;
    const { ground, file, notice } = openGround({
      topology,
      home,
      clock,
      random,
      log,
      onStop,
      onDurabilityLost,
      ...(onLedgerDamaged === undefined ? {} : { onLedgerDamaged }),
    });
    const orthancs = connectOrthancs(ground);
    const watching = createWatching(ground, orthancs);
    const lanes = createSending(ground, orthancs, watching, () => grace);
    const deciding = createDeciding(ground, orthancs, watching, lanes, source);
    const moving = createMoving(ground, orthancs, watching, deciding, lanes);
    const takingIn = createTakingIn(ground, orthancs, watching, deciding, lanes, options.hookToken);
    const upkeep = createUpkeep(ground, orthancs, watching, lanes);
    const { accounts, listener } = await openFaces(
      ground,
      { orthancs, watching, deciding, moving, takingIn },
      {
        adminToken: options.adminToken,
        version: options.version,
        source,
        ledgerFile: file,
        ledgerNotice: notice,
      },
    );

    const { ledger, metrics } = ground;
    const { pool, poller } = watching;
    const { failover, healer, evacuator, quarantine, secondLook } = moving;
    const { reconciler } = takingIn;
    watching.learning.start();
    orthancs.peers.start();
    orthancs.twins.start();
    poller.start();
    onStop(() => poller.stop());
    takingIn.admission.start();
    upkeep.housekeeping.start();
    accounts.start();
    upkeep.farmSampler.start();
    deciding.dispatcher.start();
    upkeep.settler.start();
    secondLook.start();
    failover.start();
    healer.start();
    evacuator.start();
    reconciler.start(topology.routing.reconcile);
    lanes.wakeAll();
    reconciler.reconcileAll(false).catch((error: unknown) => {
      log.error('first comparison with the fronts failed', { detail: String(error) });
    });

    const { port } = listener;
    log.info('service listens', { host: topology.service.listen, port, ledger: file });
    return {
      address: { host: topology.service.listen, port },
      ledger,
      pool,
      metrics,
      failover,
      healer,
      evacuator,
      quarantine,
      reconfigure: (next) => deciding.current.take(next),
      async reconcile() {
        await reconciler.reconcileAll(false);
        lanes.wakeAll();
      },
      async stop(graceMs = 10_000) {
        grace = graceMs;
        await stop();
        log.info('service stopped');
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function toldOfClock(log: Logger, byMs: number): void {
  log.warn("the machine's clock was set back; the service keeps its own time until it is started anew", {
    seconds: Math.round(byMs / 1000),
  });
}
