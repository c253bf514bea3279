import type { Topology } from '../../src/topology/topology.ts';
import { backendConfig } from '../backends/rig.ts';

const backends = ['orthanc1', 'orthanc2', 'orthanc3'].map((name) => backendConfig(name));

/** Of the rig's three backends. */
export const rigTopology: Topology = {
  file: 'topology.yaml',
  service: { listen: '127.0.0.1', port: 0, url: 'http://127.0.0.1:0' },
  fronts: [],
  backends,
  routing: {
    policy: 'least-in-flight',
    order: 'fifo',
    shadow: null,
    settleMs: 1000,
    batch: { instances: 50, bytes: 64_000_000, gatherMs: 0 },
    conflict: 'quarantine',
    lookupTimeoutMs: 100,
    requestTimeoutMs: 1000,
    transferTimeout: { baseMs: 1000, bytesPerSecond: 1_000_000 },
    rebindAfterMs: null,
    healAfterMs: null,
    stallMs: 1000,
    reconcile: '*/5 * * * * *',
    admission: {
      maxBacklogBytes: null,
      maxBacklogInstances: null,
      maxBacklogAgeMs: null,
      minFreeBytes: null,
      resume: 0.8,
    },
  },
  history: { sampleMs: 1000, downAfter: 2, keepRawMs: 1000, keepMinutesMs: 1000, keepHoursMs: 1000 },
};
