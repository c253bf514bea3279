import express from 'express';
import { type Accounts, createAccounts } from '../admin/accounts.ts';
import { createAdmin } from '../admin/admin.ts';
import type { AdminDeps } from '../admin/deps.ts';
import { createSeriesReader } from '../admin/series/reader.ts';
import { createSimulationDesk } from '../admin/simulations/desk.ts';
import { type Listener, listen } from '../listen.ts';
import { echo } from '../steer/echo.ts';
import type { TopologySource } from '../steer/generated-files.ts';
import type { Steer } from '../steer/steer.ts';
import { createSteer } from '../steer/steer-live.ts';
import type { Deciding } from './deciding.ts';
import type { Ground } from './ground.ts';
import type { Moving } from './moving.ts';
import type { Orthancs } from './orthancs.ts';
import type { TakingIn } from './taking-in.ts';
import type { Watching } from './watching.ts';

export interface FacesOptions {
  readonly adminToken: string;
  readonly version: string;
  /** Where the topology came from; undefined: nobody can change it through the service. */
  readonly source: TopologySource | undefined;
  readonly ledgerFile: string;
  /** That the ledger is not the one of the time before, and why; null: it is. */
  readonly ledgerNotice: string | null;
}

/** Everything that is behind the faces. */
export interface Behind {
  readonly orthancs: Orthancs;
  readonly watching: Watching;
  readonly deciding: Deciding;
  readonly moving: Moving;
  readonly takingIn: TakingIn;
}

export interface Faces {
  readonly accounts: Accounts;
  readonly listener: Listener;
}

/** Puts hook, API and dashboard together, and listens for them. @throws a system error with its `code` when the port is busy */
export async function openFaces(ground: Ground, behind: Behind, options: FacesOptions): Promise<Faces> {
  const { topology, metrics, clock, log, onStop, ledger } = ground;
  const accounts = createAccounts({ ledger, fileToken: options.adminToken, clock, log });
  onStop(() => accounts.stop());
  const series = createSeriesReader(options.ledgerFile);
  onStop(() => series.close());
  const simulations = createSimulationDesk({ ledgerFile: options.ledgerFile, log });
  onStop(() => simulations.close());

  const ending = new AbortController();
  const app = express();
  app.disable('x-powered-by');
  app.use(
    createAdmin({ ...seenBy(ground, behind, options), accounts, series, simulations, ending: ending.signal }),
  );
  const { hook } = behind.takingIn;
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
  onStop(() => listener.close());
  onStop(() => ending.abort());
  return { accounts, listener };
}

/** What API and dashboard show, and what operators can ask for. */
function seenBy(
  ground: Ground,
  { orthancs, watching, deciding, moving, takingIn }: Behind,
  { version, source, ledgerNotice }: FacesOptions,
): Omit<AdminDeps, 'accounts' | 'series' | 'simulations' | 'ending'> {
  const { topology, home, ledger, metrics, clock, log } = ground;
  const { fronts, backends, books, twins } = orthancs;
  const { pool, flow, learning } = watching;
  const { current, policy, shadow, dispatcher } = deciding;
  const { reconciler, admission } = takingIn;
  const { failover, healer, evacuator, quarantine } = moving;
  const steer = source === undefined ? undefined : steerOf(ground, orthancs, watching, deciding, source);
  return {
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
    learnt: (backend) => learning.model(backend),
    freeBytes: (front) => admission.freeBytes(front),
    stateFolder: home,
    ledgerNotice,
    twinsNotice: () => twins.notice(),
    clock,
    log,
    version,
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
  };
}

/** Changes of the topology while everything runs. */
function steerOf(
  { home, ledger, clock, log }: Ground,
  { peers }: Orthancs,
  { pool }: Watching,
  { current, dispatcher }: Deciding,
  source: TopologySource,
): Steer {
  return createSteer({
    ...source,
    home,
    ledger,
    pool,
    peers,
    latest: () => current.latest,
    take: (next) => current.take(next),
    chooseAnew: () => dispatcher.policyChanged(),
    clock,
    log,
  });
}
