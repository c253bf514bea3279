import type { Registry } from 'prom-client';
import type { Logger } from 'winston';
import type { Flow } from '../backends/flow.ts';
import type { ServiceModel } from '../backends/model/service.ts';
import type { BackendPool } from '../backends/pool.ts';
import type { Timers } from '../backends/timers.ts';
import type { ShadowState } from '../decision/shadow.ts';
import type { AdmissionState } from '../intake/admission.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import type { Echo } from '../steer/echo.ts';
import type { Steer } from '../steer/steer.ts';
import type { Clock, ConsideredBackend, EpochMs, Health } from '../study.ts';
import type { RoutingConfig, Topology } from '../topology/topology.ts';
import type { Evacuator, Failover, Healer, QuarantineDesk } from '../transfer/failover.ts';
import type { Accounts } from './accounts.ts';
import type { SeriesReader } from './series/reader.ts';
import type { SimulationDesk } from './simulations/desk.ts';

/** What the admin rooms are given by the composition root. */
export interface AdminDeps {
  readonly ledger: Ledger;
  readonly pool: BackendPool;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  /** For links into Orthanc Explorer; without it they lead to its front page. */
  readonly backends?: ReadonlyMap<string, Orthanc>;
  /** Whether each front answered when it was last asked. Without it they are asked when readiness is. */
  readonly frontHealth?: () => ReadonlyMap<
    string,
    { readonly health: Health; readonly reason: string | null }
  >;
  /** Whether a front takes new images. */
  readonly admission?: (front: string) => AdmissionState;
  /** Free space of a front's disks, as it last said. */
  readonly freeBytes?: (front: string) => number | null;
  readonly topology: Topology;
  /** Policy, order and shadow as they are now; without it those of the topology. */
  readonly routing?: () => Pick<RoutingConfig, 'policy' | 'order' | 'shadow'>;
  /** Reads figures over time; without it there are none. */
  readonly series?: SeriesReader;
  /** Tries other policies; without it nobody does. */
  readonly simulations?: SimulationDesk;
  /** What comes and goes at this moment; without it nothing is seen to. */
  readonly flow?: Pick<Flow, 'now'>;
  /** What was learnt of a backend's speed; without it nothing was. */
  readonly learnt?: (backend: string) => ServiceModel;
  /** Where copies of the ledger are made before they are sent. */
  readonly stateFolder?: string;
  /** That the ledger is not the one of the time before, and why; null: it is. */
  readonly ledgerNotice?: string | null;
  /** That backends are one Orthanc under two names; null: none are known to be. */
  readonly twinsNotice?: () => string | null;
  readonly accounts: Accounts;
  readonly clock: Clock;
  readonly timers?: Timers;
  /** Aborted when the service stops: what goes on for as long as somebody listens ends then. */
  readonly ending?: AbortSignal;
  readonly log: Logger;
  readonly version: string;
  readonly startedAt: EpochMs;
  readonly registry: Registry;
  /** Compares every front with the ledger now; resolves when that is done. */
  readonly reconcile?: () => Promise<void>;
  /** The backends as a decision about this study would see them now; null: it is not waiting for one. Changes nothing. */
  readonly preview?: (studyUid: string) => readonly ConsideredBackend[] | null;
  /** How the policy on trial is doing; absent: there is no such room. */
  readonly shadow?: () => ShadowState;
  /** What operators ask of the transfer rooms. */
  readonly failover?: Failover;
  readonly healer?: Healer;
  readonly evacuator?: Evacuator;
  readonly quarantine?: QuarantineDesk;
  /** Changes of the topology while everything runs; absent: the service was not told where it is kept. */
  readonly steer?: Steer;
  /** Reaches a backend from every side; null: there is none of this name. */
  readonly echo?: (backend: string, signal: AbortSignal) => Promise<Echo | null>;
}
