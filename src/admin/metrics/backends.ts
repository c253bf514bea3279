import { Gauge } from 'prom-client';
import { operatorStates } from '../../study.ts';
import type { AdminDeps } from '../deps.ts';

const breakerStates = ['closed', 'half-open', 'open'] as const;

/** What the pool knows of each backend, what was learnt of its speed, and whether each front answers. */
export function collectBackends({
  pool,
  registry,
  topology,
  learnt,
  frontHealth,
}: Pick<AdminDeps, 'pool' | 'registry' | 'topology' | 'learnt' | 'frontHealth'>): () => void {
  const registers = [registry];
  const of = (label: 'backend' | 'front', name: string, help: string) =>
    new Gauge({ name, help, labelNames: [label], registers });
  const byBackend = (name: string, help: string) => of('backend', name, help);
  const byState = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['backend', 'state'], registers });

  const up = byBackend(
    'dde_backend_up',
    '1 when the backend answers, 0 when it does not or is not known yet.',
  );
  const out = byBackend(
    'dde_backend_out',
    '1 when the backend does not serve: down, taken out, or its transfers fail; 0 while it does.',
  );
  const operator = byState(
    'dde_backend_operator_state',
    '1 for the state the operator gave the backend, 0 for the others.',
  );
  const breaker = byState(
    'dde_backend_breaker_state',
    '1 for the state of the breaker, 0 for the others: closed (transfers as usual), open (none), half-open (one tries).',
  );
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
  const latency = byBackend(
    'dde_backend_latency_seconds',
    'How long the backend took to answer when it was last asked how it is.',
  );
  const stored = byBackend(
    'dde_backend_stored_instances',
    'Instances the backend holds, from anywhere, as it last said.',
  );
  const disk = byBackend('dde_backend_disk_bytes', 'Bytes of the images on the backend, as it last said.');
  const diskLimit = byBackend(
    'dde_backend_disk_limit_bytes',
    'Bytes that images on the backend may fill; absent where the topology does not say.',
  );
  const perTransfer = byBackend(
    'dde_backend_learnt_seconds_per_transfer',
    'Learnt: what each transfer takes before it carries anything; absent before the first transfer.',
  );
  const perInstance = byBackend(
    'dde_backend_learnt_seconds_per_instance',
    'Learnt: what each instance takes, as the backend has been doing lately; absent before the first transfer.',
  );
  const perByte = byBackend(
    'dde_backend_learnt_seconds_per_byte',
    'Learnt: what each byte takes, as the backend has been doing lately; absent before the first transfer.',
  );
  const frontUp = of('front', 'dde_front_up', '1 when the front answers, 0 when it does not.');

  const all = [
    up,
    out,
    operator,
    breaker,
    weight,
    lanes,
    busy,
    studies,
    instances,
    bytes,
    latency,
    stored,
    disk,
    diskLimit,
    perTransfer,
    perInstance,
    perByte,
    frontUp,
  ];

  function collectLearnt(backend: string): void {
    const model = learnt?.(backend);
    if (model === undefined || model.samples === 0) return;
    const efficiency = Math.exp(model.logEfficiency);
    perTransfer.set({ backend }, model.secondsPerTransfer / efficiency);
    perInstance.set({ backend }, model.secondsPerInstance / efficiency);
    perByte.set({ backend }, model.secondsPerByte / efficiency);
  }

  return () => {
    for (const metric of all) metric.reset();
    for (const status of pool.statuses()) {
      const labels = { backend: status.name };
      up.set(labels, status.health === 'up' ? 1 : 0);
      out.set(labels, status.outSince === null ? 0 : 1);
      for (const state of operatorStates)
        operator.set({ ...labels, state }, status.operator === state ? 1 : 0);
      for (const state of breakerStates) breaker.set({ ...labels, state }, status.breaker === state ? 1 : 0);
      weight.set(labels, status.weight);
      lanes.set(labels, status.lanes);
      busy.set(labels, status.busyLanes);
      studies.set(labels, status.studiesInFlight);
      instances.set(labels, status.instancesInFlight);
      bytes.set(labels, status.bytesInFlight);
      if (status.latencyMs !== null) latency.set(labels, status.latencyMs / 1000);
      if (status.instances !== null) stored.set(labels, status.instances);
      if (status.diskBytes !== null) disk.set(labels, status.diskBytes);
      if (status.diskLimitBytes != null) diskLimit.set(labels, status.diskLimitBytes);
      collectLearnt(status.name);
    }
    const fronts = frontHealth?.();
    for (const { name } of topology.fronts) {
      const health = fronts?.get(name)?.health ?? 'unknown';
      if (health !== 'unknown') frontUp.set({ front: name }, health === 'up' ? 1 : 0);
    }
  };
}
