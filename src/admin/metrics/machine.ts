import { statfs } from 'node:fs/promises';
import { collectDefaultMetrics, Gauge } from 'prom-client';
import { systemCode } from '../../user-error.ts';
import type { AdminDeps } from '../deps.ts';

/** prom-client's default metrics that break Prometheus' naming rules: gauges that end in `_total`. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** What runs, since when, how its event loop does (prom-client's own), and the disk it keeps its state on. */
export function collectMachine({
  registry,
  version,
  startedAt,
  stateFolder,
  log,
}: Pick<AdminDeps, 'registry' | 'version' | 'startedAt' | 'stateFolder' | 'log'>): () => Promise<void> {
  // The lag of the event loop is measured by a timer. Prom-client's own 10 ms would wake the service a hundred times a second, more than
  // all else that it does while nothing comes; a stall worth a look at is longer than this.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 });
  for (const name of misnamed) registry.removeSingleMetric(name);
  const registers = [registry];
  new Gauge({
    name: 'dde_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version, node: process.version }, 1);
  new Gauge({
    name: 'dde_start_time_seconds',
    help: 'When the service started, since 1970.',
    registers,
  }).set(startedAt / 1000);
  const free = new Gauge({
    name: 'dde_state_free_bytes',
    help: 'Free space of the disk that has the ledger, for the account of the service.',
    registers,
  });
  const size = new Gauge({
    name: 'dde_state_size_bytes',
    help: 'Size of the disk that has the ledger.',
    registers,
  });

  return async () => {
    try {
      if (stateFolder === undefined) return forget();
      const disk = await statfs(stateFolder);
      free.set(disk.bavail * disk.bsize);
      size.set(disk.blocks * disk.bsize);
    } catch (error) {
      forget();
      log.debug('the disk of the ledger could not be looked at', { code: systemCode(error) });
    }
  };

  function forget(): void {
    for (const metric of [free, size]) metric.remove();
  }
}
