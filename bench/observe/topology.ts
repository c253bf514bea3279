import type { BackendConfig, Topology } from '../../src/topology/topology.ts';
import { rigTopology } from '../../test/admin/topology.ts';

const hourMs = 3_600_000;

/** A farm with the usual times of history. */
export function observedTopology(backends: readonly BackendConfig[]): Topology {
  return {
    ...rigTopology,
    backends,
    history: {
      sampleMs: 5000,
      downAfter: 2,
      keepRawMs: 24 * hourMs,
      keepMinutesMs: 720 * hourMs,
      keepHoursMs: 8760 * hourMs,
    },
  };
}
