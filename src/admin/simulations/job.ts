import type { Span } from '../../simulate/replay/replay.ts';
import type { Contestant, Oracle } from '../../simulate/run.ts';
import type { QueueOrder, Topology } from '../../topology/topology.ts';

/** What is to be simulated; plain data, for another thread. */
export type SimulationJob =
  | {
      readonly kind: 'scenario';
      readonly scenario: string;
      readonly policies: readonly Contestant[];
      readonly order: QueueOrder;
      /** Null: as often as the scenario says. */
      readonly seeds: number | null;
    }
  | {
      readonly kind: 'replay';
      readonly span: Span;
      readonly policies: readonly Exclude<Contestant, Oracle>[];
      readonly order: QueueOrder;
      readonly topology: Pick<Topology, 'backends' | 'routing'>;
    };

/** What the thread of one is given. */
export interface SimulationTask {
  readonly job: SimulationJob;
  readonly ledgerFile: string;
}

export type SimulationNews =
  | { readonly kind: 'progress'; readonly share: number }
  /** JSON: as text it needs no copying of a tree between threads. */
  | { readonly kind: 'done'; readonly result: string }
  | { readonly kind: 'failed'; readonly message: string };
