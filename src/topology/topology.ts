import type { ConflictPolicy } from '../study.ts';

/**
 * The topology after loading: defaults filled in, variables replaced, credentials read. `load.ts` makes it from
 * `orthanc-config/topology.yaml`; nothing else does. Durations are milliseconds, sizes bytes.
 */
export interface Topology {
  /** The file it was read from, for messages. */
  readonly file: string;
  readonly service: ServiceConfig;
  readonly fronts: readonly FrontConfig[];
  readonly backends: readonly BackendConfig[];
  readonly routing: RoutingConfig;
  readonly history: HistoryConfig;
}

export interface ServiceConfig {
  /** Address to listen on; loopback unless told otherwise. */
  readonly listen: string;
  readonly port: number;
  /** How the fronts reach the service, no trailing slash. */
  readonly url: string;
  /** Present: it serves HTTPS, and without TLS only what fronts and probes on its own machine ask. */
  readonly tls?: TlsConfig;
}

/** Absolute paths of PEM files. */
export interface TlsConfig {
  /** The service's own, followed by those it was signed by. */
  readonly certificate: string;
  readonly key: string;
  /** By which fronts and the command line know the certificate, where the system's own authorities do not. */
  readonly ca?: string;
}

/** What fronts and backends have in common: one Orthanc. */
export interface OrthancConfig {
  readonly name: string;
  /** How the service reaches it; no trailing slash. */
  readonly url: string;
  /** How a person's browser reaches it; no trailing slash. */
  readonly publicUrl: string;
  readonly username: string;
  readonly password: string;
  /** Name of the environment variable that carries the password to the Orthanc itself. */
  readonly passwordVariable: string;
  /** The password when no variable carries one, as it stands in the topology file; null or absent: there is none. */
  readonly passwordDefault?: string | null;
  /** Present when the farm runs this Orthanc (`dde up`, compose) and so generates its configuration. */
  readonly run: RunConfig | null;
}

export interface RunConfig {
  readonly httpPort: number;
  readonly dicomPort: number;
  readonly aeTitle: string;
}

export interface FrontConfig extends OrthancConfig {
  /** Associations served at the same time. */
  readonly associations: number;
}

export interface BackendConfig extends OrthancConfig {
  /** How the fronts reach it, where that is another address than the service's; null or absent: it is not. */
  readonly peerUrl?: string | null;
  /** 1 = 100 %. */
  readonly weight: number;
  /** Transfers at a time. */
  readonly lanes: number;
  /** Bytes its images may fill; null or absent: nobody said. */
  readonly disk?: number | null;
}

export const policyNames = [
  'expected-completion',
  'least-in-flight',
  'round-robin',
  'weighted-round-robin',
  'rendezvous',
  'power-of-two',
  'peak-ewma',
  'fastest',
] as const;
export type PolicyName = (typeof policyNames)[number];

/** In which order studies that wait for a backend are placed. */
export const queueOrders = ['fifo', 'critical', 'express', 'lpt'] as const;
export type QueueOrder = (typeof queueOrders)[number];

export interface RoutingConfig {
  readonly policy: PolicyName;
  readonly order: QueueOrder;
  /** A policy that is asked beside the other and never acted on, to compare them; null: none. */
  readonly shadow: PolicyName | null;
  /** No news of the study for this long, everything receipted: the front lets go of it. */
  readonly settleMs: number;
  readonly batch: { readonly instances: number; readonly bytes: number; readonly gatherMs: number };
  readonly conflict: ConflictPolicy;
  /** How long the backends are given to say whether they hold a study that is new to the ledger. */
  readonly lookupTimeoutMs: number;
  /** Time limit of one request to an Orthanc that moves no images. */
  readonly requestTimeoutMs: number;
  /** A transfer may take this long before its front is asked no more: base, plus bytes at the slowest rate worth waiting for. */
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
  /** A backend that has not served for this long loses its studies that are still whole on a front to another; null: never. */
  readonly rebindAfterMs: number | null;
  /** The same for studies of which a part has left the front: they are put together again from both backends later; null: never. */
  readonly healAfterMs: number | null;
  /** A transfer in which nothing moves for this long is given up and its backend counts as stalled. */
  readonly stallMs: number;
  /** node-cron expression with seconds. */
  readonly reconcile: string;
  readonly admission: AdmissionConfig;
}

/** Above a limit the front refuses new images; below `resume` × limit it takes them again. Null: no limit. */
export interface AdmissionConfig {
  readonly maxBacklogBytes: number | null;
  readonly maxBacklogInstances: number | null;
  readonly maxBacklogAgeMs: number | null;
  /** A front refuses new images while the disk of its storage has less free than this; null: no limit. */
  readonly minFreeBytes: number | null;
  readonly resume: number;
}

export interface HistoryConfig {
  readonly sampleMs: number;
  /** Consecutive misses before an Orthanc counts as down. */
  readonly downAfter: number;
  readonly keepRawMs: number;
  readonly keepMinutesMs: number;
  readonly keepHoursMs: number;
}
