import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * What the rooms measure as they work. What can be read from the ledger at any time (queue, totals) is collected on scrape
 * instead, in `admin/`.
 */
export interface Metrics {
  readonly registry: Registry;
  /** From the hook's request line to its answer being handed to the socket. */
  readonly hookSeconds: Histogram;
  readonly hookAnswers: Counter<'answer'>;
  readonly transferSeconds: Histogram<'backend'>;
  readonly transfers: Counter<'backend' | 'outcome'>;
  readonly transferredInstances: Counter<'backend'>;
  readonly transferredBytes: Counter<'backend'>;
  /** From the moment the service knew of an instance to its first proof; what is proven again does not count. */
  readonly proofDelaySeconds: Histogram<'backend'>;
  /** From the first image of a study to its placement, by kind of the decision: placed, or followed to where it was. */
  readonly placementDelaySeconds: Histogram<'kind'>;
  /** To decide about one study, and to keep what was decided: the time that others wait meanwhile. */
  readonly decisionSeconds: Histogram;
  readonly commitSeconds: Histogram;
  readonly syncSeconds: Histogram;
  readonly certificateExpiry: Gauge<'file'>;
  readonly reconcileSeconds: Histogram<'front'>;
  readonly reconcileFindings: Counter<'front' | 'finding'>;
  readonly removalFailures: Counter<'front'>;
  readonly frontTakesImages: Gauge<'front'>;
  readonly frontFreeBytes: Gauge<'front'>;
  readonly frontRefusedImages: Counter<'front'>;
}

/** Buckets of what takes a moment when all is well, and hours when it is not. */
const waits = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14_400];

/** A registry of its own for each service, so that several can live in one process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    hookSeconds: new Histogram({
      name: 'dde_hook_duration_seconds',
      help: 'Time from a hook request to its answer.',
      buckets: [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.1, 0.5, 2],
      registers,
    }),
    hookAnswers: new Counter({
      name: 'dde_hook_answers_total',
      help: 'Answers to the hook: assigned, waiting, refused (bad token or body) or failed (ledger).',
      labelNames: ['answer'],
      registers,
    }),
    transferSeconds: new Histogram({
      name: 'dde_transfer_duration_seconds',
      help: 'Time of a transfer, from its start to its proof.',
      labelNames: ['backend'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    }),
    transfers: new Counter({
      name: 'dde_transfers_total',
      help: 'Transfers that ended, by outcome: done, or the code of what went wrong.',
      labelNames: ['backend', 'outcome'],
      registers,
    }),
    transferredInstances: new Counter({
      name: 'dde_transferred_instances_total',
      help: 'Instances proven on a backend.',
      labelNames: ['backend'],
      registers,
    }),
    transferredBytes: new Counter({
      name: 'dde_transferred_bytes_total',
      help: 'Bytes of the instances proven on a backend.',
      labelNames: ['backend'],
      registers,
    }),
    proofDelaySeconds: new Histogram({
      name: 'dde_proof_delay_seconds',
      help: 'Time from the acknowledgement of an instance to its first proof on a backend.',
      labelNames: ['backend'],
      buckets: waits,
      registers,
    }),
    placementDelaySeconds: new Histogram({
      name: 'dde_placement_delay_seconds',
      help: 'Time from the first image of a study to its placement on a backend.',
      labelNames: ['kind'],
      buckets: waits,
      registers,
    }),
    decisionSeconds: new Histogram({
      name: 'dde_decision_duration_seconds',
      help: 'Time to decide about one study and to keep the decision.',
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1],
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'dde_ledger_commit_duration_seconds',
      help: 'Time of a transaction of the ledger.',
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5],
      registers,
    }),
    syncSeconds: new Histogram({
      name: 'dde_ledger_sync_duration_seconds',
      help: 'Time until the disk has what was committed, where somebody waits for it.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2, 10],
      registers,
    }),
    certificateExpiry: new Gauge({
      name: 'dde_certificate_expiry_timestamp_seconds',
      help: 'When the certificate of the service ends, since 1970; absent without TLS.',
      labelNames: ['file'],
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: 'dde_reconcile_duration_seconds',
      help: 'Time to compare a front with the ledger.',
      labelNames: ['front'],
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 30],
      registers,
    }),
    reconcileFindings: new Counter({
      name: 'dde_reconcile_findings_total',
      help: 'What comparing a front with the ledger found: unannounced instances, and vanished ones.',
      labelNames: ['front', 'finding'],
      registers,
    }),
    removalFailures: new Counter({
      name: 'dde_removal_failures_total',
      help: 'Requests to remove settled instances that a front did not answer well.',
      labelNames: ['front'],
      registers,
    }),
    frontTakesImages: new Gauge({
      name: 'dde_front_takes_images',
      help: '1 while the front takes new images, 0 while it refuses them.',
      labelNames: ['front'],
      registers,
    }),
    frontFreeBytes: new Gauge({
      name: 'dde_front_free_bytes',
      help: 'Free space of the disks the front writes to, as it last said.',
      labelNames: ['front'],
      registers,
    }),
    frontRefusedImages: new Counter({
      name: 'dde_front_refused_images_total',
      help: 'Images the front has refused since this service first heard of it, their senders keep them.',
      labelNames: ['front'],
      registers,
    }),
  };
}
