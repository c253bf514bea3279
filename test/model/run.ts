import type { Logger } from 'winston';
import { createPoller } from '../../src/backends/poller.ts';
import { createPool, type LivePool } from '../../src/backends/pool-live.ts';
import { createDispatcher } from '../../src/decision/dispatcher.ts';
import { policyNamed } from '../../src/decision/policies.ts';
import { createReconciler } from '../../src/intake/reconciler.ts';
import { type Ledger, LedgerError, type ReceivedAnswer } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Arrival } from '../../src/study.ts';
import type { BackendConfig } from '../../src/topology/topology.ts';
import { createCarry } from '../../src/transfer/carry.ts';
import { createEvacuator } from '../../src/transfer/evacuate.ts';
import type { Evacuator, Failover, Healer, QuarantineDesk } from '../../src/transfer/failover.ts';
import { createFailover } from '../../src/transfer/failover-live.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { createHealer } from '../../src/transfer/heal.ts';
import { createLanes } from '../../src/transfer/lanes.ts';
import { createQuarantineDesk } from '../../src/transfer/quarantine.ts';
import { createSecondLook } from '../../src/transfer/second-look.ts';
import { createSettler } from '../../src/transfer/settle.ts';
import { guardLedger, type LedgerFate } from './guarded-ledger.ts';
import { seeded } from './random.ts';
import type { World } from './world.ts';
import { backendNames } from './world.ts';

/** The times of the topology, short against the gaps between events. */
export const settings = {
  settleMs: 1_500,
  rebindAfterMs: 5_000,
  healAfterMs: 12_000,
  stallMs: 4_000,
  lookupTimeoutMs: 400,
  sampleMs: 2_000,
  reconcileMs: 5_000,
  batch: { instances: 3, bytes: 1_000_000 },
  transferTimeout: { baseMs: 20_000, bytesPerSecond: 1_000_000 },
} as const;

/** One life of the service: from its start to its death. */
export interface Run {
  readonly owner: number;
  readonly ledger: Ledger;
  /** The same file, also to be read when the run is dead. */
  readonly file: Ledger;
  readonly pool: LivePool;
  readonly failover: Failover;
  readonly healer: Healer;
  readonly evacuator: Evacuator;
  readonly desk: QuarantineDesk;
  /** What the hook does with an announcement. */
  hook(arrival: Arrival): void;
  /** Gives the file back. The run must be dead. */
  abandon(): Promise<void>;
}

// One for all: counters of a registry cost more to make than a whole history.
const metrics = createMetrics();

/** Starts the rooms as `service.ts` does. To be called as the owner. */
export function startRun(
  world: World,
  file: string,
  owner: number,
  fates: LedgerFate[],
  log: Logger,
  onDeath: () => void,
): Run {
  const { time } = world;
  const clock = (): number => time.now;
  const random = seeded(owner * 7_919);
  const real = openLedger(file);
  const ledger = guardLedger(real, world, owner, fates, onDeath);
  ledger.recover(clock());

  const { fronts, backends } = world;
  const pool = createPool({
    backends: backendNames.map(backendConfig),
    ledger,
    downAfter: 2,
    clock,
    random,
    log,
  });
  const poller = createPoller({
    orthancs: new Map([...fronts, ...backends]),
    pool,
    ledger: { addSamples: () => undefined },
    sampleMs: settings.sampleMs,
    clock,
    log,
  });
  const frontRest = createFrontRest();
  const carry = createCarry({
    ledger,
    pool,
    frontRest,
    fronts,
    backends,
    conflict: 'quarantine',
    transferTimeout: settings.transferTimeout,
    stallMs: settings.stallMs,
    requestTimeoutMs: 2_000,
    clock,
    random,
    log,
    metrics,
    onBackendTrouble: (backend) => poller.pollNow(backend),
  });
  const lanes = createLanes({
    ledger,
    pool,
    frontRest,
    limits: settings.batch,
    gatherMs: 0,
    carry,
    clock,
    log,
  });
  pool.onChange((backend) => lanes.wake(backend));
  const dispatcher = createDispatcher({
    ledger,
    pool,
    backends,
    policy: () => policyNamed('least-in-flight'),
    lookupTimeoutMs: settings.lookupTimeoutMs,
    clock,
    log,
    onPlaced: (_study, backend) => lanes.wake(backend),
  });
  const failover = createFailover({
    ledger,
    pool,
    backends,
    policy: () => policyNamed('least-in-flight'),
    expected: ({ instances, bytes }) => ({ instances, bytes, arrivesIn: 0 }),
    rebindAfterMs: settings.rebindAfterMs,
    healAfterMs: settings.healAfterMs,
    lookupTimeoutMs: settings.lookupTimeoutMs,
    clock,
    log,
    onRebound: (_study, backend) => lanes.wake(backend),
  });
  const healer = createHealer({
    ledger,
    fronts,
    backends,
    pool,
    transferTimeout: settings.transferTimeout,
    clock,
    random,
    log,
  });
  const evacuator = createEvacuator({
    ledger,
    pool,
    backends,
    policy: () => policyNamed('least-in-flight'),
    expected: ({ instances, bytes }) => ({ instances, bytes, arrivesIn: 0 }),
    clock,
    log,
    onRebound: (_study, backend) => lanes.wake(backend),
  });
  const desk = createQuarantineDesk({
    ledger,
    fronts,
    backends,
    transferTimeout: settings.transferTimeout,
    clock,
    log,
    onRequeued: (study) => {
      dispatcher.studyWaits(study);
      lanes.wakeAll();
    },
  });
  const secondLook = createSecondLook({ ledger, again: (instance) => desk.again(instance), clock, log });
  const settler = createSettler({
    ledger,
    fronts,
    backends,
    settleMs: settings.settleMs,
    clock,
    log,
    metrics,
    onDoubt: () => lanes.wakeAll(),
  });
  const reconciler = createReconciler({
    ledger,
    fronts,
    clock,
    log,
    metrics,
    onStudies: (studies) => {
      for (const study of studies) dispatcher.studyWaits(study);
      lanes.wakeAll();
    },
  });
  const onReceived = (study: string, answer: ReceivedAnswer): void => {
    if (answer.assignments.length === 0) dispatcher.studyWaits(study);
    else for (const assignment of answer.assignments) lanes.wake(assignment.backend);
  };

  poller.start();
  dispatcher.start();
  settler.start();
  failover.start();
  healer.start();
  evacuator.start();
  secondLook.start();
  // As its schedule does, without node-cron, which goes by the clock on the wall.
  setInterval(() => void reconciler.reconcileAll(true), settings.reconcileMs);
  lanes.wakeAll();
  void reconciler.reconcileAll(false);

  return {
    owner,
    ledger,
    file: real,
    pool,
    failover,
    healer,
    evacuator,
    desk,
    hook(arrival) {
      world.inHook = true;
      try {
        const answer = ledger.received(arrival, clock());
        time.after(0, owner, () => onReceived(arrival.studyUid, answer));
      } catch (error) {
        // 503: the reconciler finds it.
        if (!(error instanceof LedgerError) && !time.isDead(owner)) throw error;
      } finally {
        world.inHook = false;
      }
    },
    abandon: () => real.close(),
  };
}

function backendConfig(name: string): BackendConfig {
  return {
    name,
    url: `http://${name}:8042`,
    publicUrl: `http://${name}:8042`,
    username: 'orthanc',
    password: 'orthanc',
    passwordVariable: 'PASSWORD',
    run: null,
    weight: 1,
    lanes: 2,
  };
}
