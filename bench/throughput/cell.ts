import type { Contender } from './contenders/contender.ts';
import { contenderNamed } from './contenders.ts';
import { instancesIn, type Workload } from './workloads.ts';

/** One field of the table: what is sent, and how. */
export interface Cell {
  readonly workload: Workload;
  readonly associations: number;
  /** Whether the senders switch Nagle's algorithm off. */
  readonly noDelay: boolean;
}

/** What one run measured. Rates are end to end: from the first connection until the last image is where it belongs, proven if the contender proves. */
export interface Run {
  readonly instances: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly instancesPerSecond: number;
  readonly megabytesPerSecond: number;
  /** Until the last association ended. */
  readonly senderSeconds: number;
  /** CPU milliseconds an image, by role and in all; removal from the front included. */
  readonly cpuMs: {
    readonly front: number;
    readonly service: number;
    readonly backends: number;
    readonly all: number;
  };
  /** Most memory resident since the contender was started, bytes. */
  readonly memory: { readonly front: number; readonly service: number; readonly backends: number };
  /** Milliseconds from the acknowledgement of an image to its proof; null: nothing is proven. */
  readonly provenMs: { readonly p50: number; readonly p99: number } | null;
}

/** All runs of one contender in one cell. */
export interface CellRuns {
  readonly contender: string;
  readonly runs: readonly Run[];
}

export interface CellResult {
  readonly workload: string;
  readonly associations: number;
  readonly noDelay: boolean;
  readonly contenders: readonly CellRuns[];
}

/** Of one association with Nagle's algorithm, in one run: five seconds of it, at the 25 images a second that a wait of 40 ms leaves. */
const slowlySent = 120;

/**
 * How much of the workload one run sends. A sender that leaves Nagle's algorithm on waits 40 ms and more for most of its images: with all of
 * them a run would take minutes in which nothing but that waiting is measured. With too few, the last image's way is most of what is measured.
 */
export function shareOf({ workload, noDelay, associations }: Cell, { share }: Contender): number {
  return share * (noDelay ? 1 : Math.min(1, (slowlySent * associations) / instancesIn(workload)));
}

export function titleOf({ workload, associations, noDelay }: Cell): string {
  const many = associations === 1 ? '1 association' : `${associations} associations`;
  return `${workload.title}; ${many}${noDelay ? '' : ', Nagle on'}`;
}

export function labelOf(name: string): string {
  const { letter, title } = contenderNamed(name);
  return `(${letter}) ${title}`;
}
