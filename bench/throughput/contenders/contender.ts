import type { OrthancProcess } from '../../../test/support/orthanc-process.ts';

/** Whose CPU and memory is counted where. */
export const roles = ['front', 'service', 'backends'] as const;
export type Role = (typeof roles)[number];

/** One way to bring images to the backends, set up and running. */
export interface Rig extends AsyncDisposable {
  /** Where modalities send to. */
  readonly dicomPort: number;
  readonly backends: readonly OrthancProcess[];
  /** What must be empty at the end; null: nothing is stored on the way. */
  readonly front: OrthancProcess | null;
  readonly pids: Readonly<Record<Role, readonly number[]>>;
  /** File of the ledger, where there is one. */
  readonly ledger?: string;
  /** When each instance was proven on its backend, epoch milliseconds by Orthanc's identifier; null: this contender proves nothing. */
  provenAt(studyUids: readonly string[]): Promise<ReadonlyMap<string, number> | null>;
}

export interface Contender {
  readonly name: string;
  readonly letter: string;
  readonly title: string;
  /** The share of a workload it gets: the slow ones would take hours for all of it. */
  readonly share: number;
  /** Runs that are thrown away before those that count: a program that has just been started loads and compiles what it goes on using for months. */
  readonly warmUps: number;
  /** Whether all images of a study must be on one backend afterwards. */
  readonly keepsStudiesWhole: boolean;
  start(): Promise<Rig>;
}
