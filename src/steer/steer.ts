import type { EditValues } from '../topology/edit.ts';
import type { Problem } from '../topology/problems.ts';
import type { RoutingConfig } from '../topology/topology.ts';
import type { PeerState } from '../transfer/peers.ts';

/** Why a change of the topology was not made; `message` is for whoever asked. */
export type SteerRefusal =
  | 'unknown-backend'
  | 'backend-exists'
  | 'still-bound'
  | 'topology-changed'
  | 'topology-read-only'
  | 'topology-by-hand'
  | 'topology-invalid';

export class SteerError extends Error {
  readonly code: SteerRefusal;
  /** All mistakes the topology would have; empty for other refusals. */
  readonly problems: readonly Problem[];
  constructor(code: SteerRefusal, message: string, problems: readonly Problem[] = []) {
    super(message);
    this.name = 'SteerError';
    this.code = code;
    this.problems = problems;
  }
}

/** A password as it is given; it goes into a file of its own, never into the topology. */
export interface BackendSettings {
  /** Keys of the topology, in its own units; null: the key goes, and its default counts. */
  readonly values: EditValues;
  readonly password?: string;
}

export interface Asked {
  readonly who: string;
  /** Tag of the topology the change was made for; null: whatever it is now. */
  readonly tag: string | null;
}

/** What the file says, and whether the service goes by it. */
export interface TopologyView {
  readonly file: string;
  readonly tag: string;
  /** Without passwords; null: it cannot be told which parts of it are passwords, such as when it is no valid YAML. */
  readonly text: string | null;
  /** Mistakes in it, because of which the service goes by what it read before. */
  readonly problems: readonly Problem[];
  /** Why it cannot be changed through the service; null: it can. */
  readonly readOnly: string | null;
}

/**
 * Changes the topology while everything runs: the file first, then the generated files, the service, the fronts' peers. The file is the
 * truth at every moment; whatever dies in between, the next start or the next comparison goes on from it.
 *
 * All throw SteerError, LedgerError.
 */
export interface Steer {
  topology(): TopologyView;
  routing(): Pick<RoutingConfig, 'policy' | 'order' | 'shadow'>;
  setRouting(set: EditValues, asked: Asked): void;
  /** Resolves when every front that answers in time has the peer. */
  add(name: string, settings: BackendSettings, asked: Asked): Promise<readonly PeerState[]>;
  change(name: string, settings: BackendSettings, asked: Asked): Promise<readonly PeerState[]>;
  /** Drains it, and takes it out of the topology if nothing is bound to it any more. What it holds stays there. */
  remove(name: string, asked: Asked): Promise<void>;
}
