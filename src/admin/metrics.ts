import type { RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge } from 'prom-client';
import { LedgerError, type QueueView } from '../ledger/ledger.ts';
import { operatorStates } from '../study.ts';
import type { AdminDeps } from './deps.ts';

/**
 * Serves `/metrics`. What the ledger and the pool know is read once for each scrape instead of being counted along: it is
 * right after a restart, and two counts of one thing cannot drift apart.
 */
export function metricsRoute(
  deps: Pick<AdminDeps, 'ledger' | 'pool' | 'registry' | 'clock' | 'version' | 'startedAt'>,
): RequestHandler {
  const collect = createCollector(deps);
  return async (_request, response) => {
    collect();
    const text = await deps.registry.metrics();
    response.set('Content-Type', deps.registry.contentType).set('Cache-Control', 'no-store').send(text);
  };
}

/** prom-client's default metrics that break Prometheus' naming rules: gauges that end in `_total`. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

function createCollector({
  ledger,
  pool,
  registry,
  clock,
  version,
  startedAt,
}: Pick<AdminDeps, 'ledger' | 'pool' | 'registry' | 'clock' | 'version' | 'startedAt'>): () => void {
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);

  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const byBackend = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['backend'], registers });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });

  new Gauge({
    name: 'dde_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version, node: process.version }, 1);
  gauge('dde_start_time_seconds', 'When the service started, since 1970.').set(startedAt / 1000);

  const usable = gauge('dde_ledger_usable', '1 when the ledger answered this scrape, 0 when it did not.');
  const queueInstances = gauge('dde_queue_instances', 'Instances not proven on their backend yet.');
  const queueBytes = gauge('dde_queue_bytes', 'Bytes of the instances not proven on their backend yet.');
  const queueAge = gauge(
    'dde_queue_oldest_age_seconds',
    'How long the oldest of them has been waiting; 0 when none waits.',
  );
  const unplaced = gauge('dde_unplaced_studies', 'Studies that have no backend yet.');
  const settling = gauge(
    'dde_settling_instances',
    'Instances that are proven and wait on a front for their study to settle.',
  );
  const quarantined = gauge(
    'dde_quarantined_instances',
    'Instances that stay on a front until a person decides.',
  );
  const formerCopies = gauge(
    'dde_former_copies',
    'What studies left on backends they were bound to before, and what is not gone from there yet.',
  );
  const formerConflicts = gauge('dde_former_conflicts', 'Former copies that a person must decide about.');
  const received = counter(
    'dde_instances_received_total',
    'Instances seen on a front since the ledger began.',
  );
  const proven = counter(
    'dde_instances_proven_total',
    'Instances proven on their backend since the ledger began.',
  );
  const removed = counter(
    'dde_instances_removed_total',
    'Instances removed from a front after their proof since the ledger began.',
  );
  const vanished = counter(
    'dde_instances_vanished_total',
    'Instances somebody else removed from a front before their proof.',
  );
  const decisions = new Counter({
    name: 'dde_decisions_total',
    help: 'Decisions since the ledger began, by kind.',
    labelNames: ['kind'],
    registers,
  });

  const up = byBackend(
    'dde_backend_up',
    '1 when the backend answers, 0 when it does not or is not known yet.',
  );
  const out = byBackend(
    'dde_backend_out',
    '1 when the backend does not serve: down, taken out, or its transfers fail; 0 while it does.',
  );
  const operator = new Gauge({
    name: 'dde_backend_operator_state',
    help: '1 for the state the operator gave the backend, 0 for the others.',
    labelNames: ['backend', 'state'],
    registers,
  });
  const weight = byBackend('dde_backend_weight_ratio', 'Weight of the backend, 1 = 100 %.');
  const lanes = byBackend('dde_backend_lanes', 'Transfers the backend may have at a time.');
  const busy = byBackend('dde_backend_lanes_busy', 'Transfers to the backend under way.');
  const studies = byBackend(
    'dde_backend_studies_in_flight',
    'Studies bound to the backend with something unproven.',
  );
  const instances = byBackend(
    'dde_backend_instances_in_flight',
    'Instances bound to the backend and unproven.',
  );
  const bytes = byBackend('dde_backend_in_flight_bytes', 'Bytes bound to the backend and unproven.');
  const sending = byBackend('dde_backend_instances_sending', 'Instances in a transfer to the backend now.');
  const retrying = byBackend(
    'dde_backend_instances_retrying',
    'Instances that were tried and wait to be tried again.',
  );

  const ofLedger = [
    queueInstances,
    queueBytes,
    queueAge,
    unplaced,
    settling,
    quarantined,
    formerCopies,
    formerConflicts,
    received,
    proven,
    removed,
    vanished,
    decisions,
    sending,
    retrying,
  ];
  const ofPool = [up, out, operator, weight, lanes, busy, studies, instances, bytes];

  function collectLedger(): void {
    let queue: QueueView;
    let totals: ReturnType<typeof ledger.totals>;
    try {
      queue = ledger.queue();
      totals = ledger.totals();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      // Figures nobody could read are left out: an old value, or 0, would look like an answer.
      for (const metric of ofLedger) {
        metric.reset();
        metric.remove();
      }
      usable.set(0);
      return;
    }
    for (const metric of ofLedger) metric.reset();
    usable.set(1);
    queueInstances.set(queue.instances);
    queueBytes.set(queue.bytes);
    queueAge.set(queue.oldestAt === null ? 0 : Math.max(0, clock() - queue.oldestAt) / 1000);
    unplaced.set(queue.unplacedStudies);
    settling.set(queue.settling);
    quarantined.set(queue.quarantined);
    formerCopies.set(queue.formerCopies);
    formerConflicts.set(queue.formerConflicts);
    received.inc(totals.received);
    proven.inc(totals.proven);
    removed.inc(totals.removed);
    vanished.inc(totals.vanished);
    for (const [kind, count] of Object.entries(totals.decisions)) decisions.inc({ kind }, count);
    for (const name of pool.names()) {
      sending.set({ backend: name }, 0);
      retrying.set({ backend: name }, 0);
    }
    for (const load of queue.backends) {
      sending.set({ backend: load.backend }, load.sending);
      retrying.set({ backend: load.backend }, load.retrying);
    }
  }

  function collectPool(): void {
    for (const metric of ofPool) metric.reset();
    for (const status of pool.statuses()) {
      const labels = { backend: status.name };
      up.set(labels, status.health === 'up' ? 1 : 0);
      out.set(labels, status.outSince === null ? 0 : 1);
      for (const state of operatorStates)
        operator.set({ ...labels, state }, status.operator === state ? 1 : 0);
      weight.set(labels, status.weight);
      lanes.set(labels, status.lanes);
      busy.set(labels, status.busyLanes);
      studies.set(labels, status.studiesInFlight);
      instances.set(labels, status.instancesInFlight);
      bytes.set(labels, status.bytesInFlight);
    }
  }

  return () => {
    collectLedger();
    collectPool();
  };
}
