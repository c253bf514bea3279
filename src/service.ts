import { join } from 'node:path';
import express from 'express';
import { createAccounts } from './admin/accounts.ts';
import { createAdmin } from './admin/admin.ts';
import { createSeriesReader } from './admin/series/reader.ts';
import { createSimulationDesk } from './admin/simulations/desk.ts';
import { createArrivals } from './backends/arrivals.ts';
import { createFarmSampler } from './backends/farm-sampler.ts';
import { countingArrivals, createFlow } from './backends/flow.ts';
import { createHousekeeping } from './backends/housekeeping.ts';
import { createLearning } from './backends/learning.ts';
import { createPoller } from './backends/poller.ts';
import type { BackendPool } from './backends/pool.ts';
import { createPool } from './backends/pool-live.ts';
import { steadyClock } from './clock.ts';
import { createDispatcher } from './decision/dispatcher.ts';
import { policyNamed } from './decision/policies.ts';
import { createShadow } from './decision/shadow.ts';
import { createAdmission } from './intake/admission.ts';
import { createHook } from './intake/hook.ts';
import { createNoting } from './intake/noting.ts';
import { createReconciler } from './intake/reconciler.ts';
import type { Ledger, LedgerError, ReceivedAnswer } from './ledger/ledger.ts';
import { lockLedger } from './ledger/lock.ts';
import { openOrBeginAnew } from './ledger/recovery.ts';
import { listen } from './listen.ts';
import type { Logger } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createOrthanc } from './orthanc/client.ts';
import { createClients } from './orthanc/clients.ts';
import type { OrthancAccess } from './orthanc/http.ts';
import type { Orthanc } from './orthanc/orthanc.ts';
import { createPeerBook } from './orthanc/peer-book.ts';
import { Turns } from './orthanc/turns.ts';
import { echo } from './steer/echo.ts';
import { createGeneratedFiles, type TopologySource } from './steer/generated-files.ts';
import { createSteer } from './steer/steer-live.ts';
import { createTakeOver } from './steer/take-over.ts';
import type { Clock } from './study.ts';
import { peerTimeoutSeconds } from './topology/peer.ts';
import type { OrthancConfig, Topology } from './topology/topology.ts';
import { createCarry } from './transfer/carry.ts';
import type { Expected } from './transfer/choose-anew.ts';
import { createEvacuator } from './transfer/evacuate.ts';
import type { Evacuator, Failover, Healer, QuarantineDesk } from './transfer/failover.ts';
import { createFailover } from './transfer/failover-live.ts';
import { createFrontRest } from './transfer/front-rest.ts';
import { createHealer } from './transfer/heal.ts';
import { createLanes } from './transfer/lanes.ts';
import { createPeers } from './transfer/peers.ts';
import { createQuarantineDesk } from './transfer/quarantine.ts';
import { createSecondLook } from './transfer/second-look.ts';
import { createSettler } from './transfer/settle.ts';
import { createTwins } from './transfer/twins.ts';

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
  const { topology, log } = options;
  const clock =
    options.clock ??
    steadyClock((byMs) =>
      log.warn("the machine's clock was set back; the service keeps its own time until it is started anew", {
        seconds: Math.round(byMs / 1000),
      }),
    );
  const random = options.random ?? Math.random;
  const undo: (() => void | Promise<void>)[] = [];
  let grace = 10_000;
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };

  try {
    const file = join(options.home, 'ledger.sqlite');
    const lock = lockLedger(file);
    undo.push(() => lock.release());
    const metrics = createMetrics();
    const { ledger, notice } = openOrBeginAnew(file, {
      usedBefore: lock.usedBefore,
      now: clock(),
      onCheckpointFailure: (error) => log.error('checkpoint of the ledger failed', { detail: String(error) }),
      onDurabilityLost: options.onDurabilityLost,
      ...(options.onLedgerDamaged === undefined ? {} : { onDamaged: options.onLedgerDamaged }),
      onCommit: (seconds) => metrics.commitSeconds.observe(seconds),
      onSync: (seconds) => metrics.syncSeconds.observe(seconds),
    });
    undo.push(() => ledger.close());
    if (notice !== null) log.warn(notice);
    const recovered = ledger.recover(clock());
    if (recovered.interruptedTransfers + recovered.provenAnew > 0) {
      log.info('taking up what was under way', { ...recovered });
    }

    const turns = new Turns();
    const fronts = new Map(
      topology.fronts.map((config) => [config.name, connectOne(config, topology, turns)]),
    );
    const clients = createClients(topology.backends, (config) => connectOne(config, topology, turns));
    const backends = clients.map;
    const books = new Map(
      topology.fronts.map((front) => [front.name, createPeerBook(accessOf(front, topology))]),
    );
    undo.push(() => {
      for (const one of [...fronts.values(), ...books.values()]) one.close();
      clients.close();
    });
    const { lookupTimeoutMs, requestTimeoutMs, transferTimeout } = topology.routing;
    const peers = createPeers({
      fronts: books,
      backends: topology.backends,
      timeoutSeconds: peerTimeoutSeconds(topology.routing),
      peersOf: async (backend) => {
        const book = createPeerBook(accessOf(backend, topology));
        try {
          // Part of a question that may take as long as a request in all.
          return await book.all({ timeoutMs: Math.min(lookupTimeoutMs, Math.floor(requestTimeoutMs / 4)) });
        } finally {
          book.close();
        }
      },
      log,
    });
    undo.push(() => peers.stop());
    const twins = createTwins({ backends, timeoutMs: lookupTimeoutMs, log });
    undo.push(() => twins.stop());

    const learning = createLearning({ backends: topology.backends.map(({ name }) => name), ledger, log });
    undo.push(() => learning.stop());
    const arrivals = createArrivals({ ledger, settleMs: topology.routing.settleMs, now: clock() });
    const pool = createPool({
      backends: topology.backends,
      ledger,
      learning,
      arrivals,
      downAfter: topology.history.downAfter,
      clock,
      random,
      log,
    });
    undo.push(() => pool.close());
    const poller = createPoller({
      orthancs: new Map([...fronts, ...backends]),
      isFront: (backend) => peers.isFront(backend),
      pool,
      ledger,
      sampleMs: topology.history.sampleMs,
      clock,
      log,
    });

    const flow = createFlow(clock);
    const noted = countingArrivals(ledger, flow);
    const frontRest = createFrontRest();
    const carry = createCarry({
      ledger,
      pool,
      frontRest,
      fronts,
      backends,
      peers,
      conflict: topology.routing.conflict,
      transferTimeout: topology.routing.transferTimeout,
      stallMs: topology.routing.stallMs,
      requestTimeoutMs: topology.routing.requestTimeoutMs,
      clock,
      random,
      log,
      metrics,
      onBackendTrouble: (backend) => poller.pollNow(backend),
      onCarried: (moved) => flow.carried(moved),
    });
    const { batch } = topology.routing;
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
    undo.push(() => lanes.stop(grace));
    undo.push(pool.onChange((backend) => lanes.wake(backend)));

    const current = createTakeOver({
      topology,
      generated:
        options.source === undefined ? null : createGeneratedFiles(options.source, options.home, log),
      fronts,
      clients,
      learning,
      pool,
      poller,
      peers,
      twins,
      onChange: () => dispatcher.policyChanged(),
      log,
    });
    const policy = () => {
      const { policy: name, order } = current.latest.routing;
      return policyNamed(name, { order });
    };
    const expected: Expected = (study, now) => arrivals.expected(study, now);
    const onBound = (study: string, backend: string): void => {
      lanes.wake(backend);
      arrivals.bound(study, clock());
    };
    const shadow = createShadow({
      ledger,
      trial: () => {
        const { shadow: name } = current.latest.routing;
        return name === null ? null : policyNamed(name);
      },
      clock,
      log,
    });
    undo.push(() => shadow.stop());
    const dispatcher = createDispatcher({
      ledger,
      pool,
      backends,
      policy: () => shadow.beside(policy()),
      expected,
      lookupTimeoutMs,
      clock,
      log,
      metrics,
      onPlaced: onBound,
    });
    undo.push(() => dispatcher.stop());
    const onRebound = onBound;
    const failover = createFailover({
      ledger,
      pool,
      backends,
      policy,
      expected,
      rebindAfterMs: topology.routing.rebindAfterMs,
      healAfterMs: topology.routing.healAfterMs,
      lookupTimeoutMs,
      clock,
      log,
      onRebound,
    });
    undo.push(() => failover.stop());
    const isFront = (backend: string): Promise<boolean> => peers.isFront(backend);
    const healer = createHealer({
      ledger,
      pool,
      fronts,
      backends,
      isFront,
      onOneOrthanc: (one, other, orthancId) => twins.found(one, other, orthancId),
      transferTimeout,
      clock,
      random,
      log,
    });
    undo.push(() => healer.stop());
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
    undo.push(() => evacuator.stop());
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
    undo.push(() => secondLook.stop());

    const settler = createSettler({
      ledger,
      fronts,
      backends,
      isFront,
      onDoubt: () => lanes.wakeAll(),
      settleMs: topology.routing.settleMs,
      clock,
      log,
      metrics,
    });
    undo.push(() => settler.stop());

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
    undo.push(() => reconciler.stop());

    const admission = createAdmission({
      ledger,
      limits: topology.routing.admission,
      fronts: new Map(topology.fronts.map(({ name }) => [name, join(options.home, 'admission', name)])),
      clock,
      log,
      metrics,
    });
    undo.push(() => admission.stop());

    const housekeeping = createHousekeeping({ ledger, keep: topology.history, clock, log });
    undo.push(() => housekeeping.stop());
    const farmSampler = createFarmSampler({
      ledger,
      flow,
      sampleMs: topology.history.sampleMs,
      clock,
      log,
    });
    undo.push(() => farmSampler.stop());

    const steer =
      options.source === undefined
        ? undefined
        : createSteer({
            ...options.source,
            home: options.home,
            ledger,
            pool,
            peers,
            latest: () => current.latest,
            take: (next) => current.take(next),
            chooseAnew: () => dispatcher.policyChanged(),
            clock,
            log,
          });
    const accounts = createAccounts({ ledger, fileToken: options.adminToken, clock, log });
    undo.push(() => accounts.stop());

    const ending = new AbortController();
    const series = createSeriesReader(file);
    undo.push(() => series.close());
    const simulations = createSimulationDesk({ ledgerFile: file, log });
    undo.push(() => simulations.close());
    const app = express();
    app.disable('x-powered-by');
    const onReceived = (study: string, { assignments }: ReceivedAnswer): void => {
      if (assignments.length === 0) dispatcher.studyWaits(study);
      else for (const assignment of assignments) lanes.wake(assignment.backend);
    };
    const noting = createNoting({ ledger: noted, clock, log, onNoted: onReceived });
    undo.push(() => noting.stop());
    const hook = createHook({
      noting,
      token: options.hookToken,
      fronts: new Set(fronts.keys()),
      log,
      metrics,
      admission,
      onReceived,
    });
    app.use(
      createAdmin({
        ledger,
        pool,
        fronts,
        backends,
        frontHealth: () =>
          new Map(
            reconciler
              .frontStates()
              .map(({ front, reachable, reason }) => [front, { health: reachable ? 'up' : 'down', reason }]),
          ),
        topology,
        routing: () => current.latest.routing,
        flow,
        series,
        simulations,
        learnt: (backend) => learning.model(backend),
        freeBytes: (front) => admission.freeBytes(front),
        ending: ending.signal,
        stateFolder: options.home,
        ledgerNotice: notice,
        twinsNotice: () => twins.notice(),
        accounts,
        clock,
        log,
        version: options.version,
        startedAt: clock(),
        registry: metrics.registry,
        admission: (front) => admission.state(front),
        reconcile: async () => {
          await reconciler.reconcileAll(false);
        },
        failover,
        healer,
        evacuator,
        quarantine,
        ...(steer === undefined ? {} : { steer }),
        echo: async (name, signal) => {
          const config = current.latest.backends.find((backend) => backend.name === name);
          return config === undefined ? null : await echo({ backends, fronts: books }, config, signal);
        },
        shadow: () => shadow.state(),
        preview: (study) => dispatcher.preview(study, policy()),
      }),
    );
    const listener = await listen({
      service: topology.service,
      serve: (req, res) => {
        if (!hook(req, res)) app(req, res);
      },
      isForOwnMachine: ({ url = '' }) => /^\/(hook\/|livez$|readyz$)/.test(url),
      log,
      onCertificate: (expiresAt) => {
        const of = { file: topology.service.tls?.certificate ?? '' };
        metrics.certificateExpiry.set(of, expiresAt.getTime() / 1000);
      },
    });
    undo.push(() => listener.close());
    undo.push(() => ending.abort());

    learning.start();
    peers.start();
    twins.start();
    poller.start();
    undo.push(() => poller.stop());
    admission.start();
    housekeeping.start();
    accounts.start();
    farmSampler.start();
    dispatcher.start();
    settler.start();
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
      reconfigure: (next) => current.take(next),
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

function accessOf({ name, url, username, password }: OrthancConfig, { routing }: Topology): OrthancAccess {
  return { name, url, username, password, requestTimeoutMs: routing.requestTimeoutMs };
}

function connectOne(config: OrthancConfig, topology: Topology, turns: Turns): Orthanc {
  return createOrthanc(accessOf(config, topology), turns);
}
