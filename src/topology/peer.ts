import type { BackendConfig, RoutingConfig } from './topology.ts';

/**
 * Key of a peer in which this project signs what it made: Orthanc keeps keys it does not know and shows them when it lists its peers,
 * so a peer that an operator wrote by hand can be told from ours, also after any of the processes was started anew.
 */
export const madeByKey = 'MadeBy';
/** What stands there in a generated configuration; what the service puts on a running front begins so too. */
export const madeByUs = 'dynamic-dicom-endpoints';

/** Where a front's peer leads to. */
export function peerUrl(backend: BackendConfig): string {
  return backend.peerUrl ?? backend.url;
}

/** The largest single instance that must get through at the slowest rate worth waiting for. */
const largestInstanceBytes = 1e9;

/** Time limit for one instance. Longer than the service waits for most transfers, never shorter than the largest one needs. */
export function peerTimeoutSeconds({ transferTimeout, batch }: RoutingConfig): number {
  const bytes = Math.max(batch.bytes, largestInstanceBytes);
  return Math.ceil(transferTimeout.baseMs / 1000 + bytes / transferTimeout.bytesPerSecond);
}
