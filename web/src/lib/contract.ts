import type { SessionAnswer } from '../../../src/admin/account-schemas.ts';
import type { FarmAnswer, JournalAnswer } from '../../../src/admin/observe-schemas.ts';

/** What the API answers, as far as the dashboard reads it. Answers that have a schema of their own take their type from there. */

export type Session = SessionAnswer;
export type Role = Session['role'];

export type Farm = FarmAnswer;
export type FarmFront = FarmAnswer['fronts'][number];
export type FarmBackend = FarmAnswer['backends'][number];
export type JournalEntry = JournalAnswer;

export interface Flow {
  readonly instancesPerSecond: number;
  readonly bytesPerSecond: number;
}

type Values = readonly (number | null)[];

export interface OrthancSeries {
  readonly up: Values;
  readonly latencyMs: Values;
  readonly jobsPending: Values;
  readonly jobsRunning: Values;
  readonly activeRequests: Values;
  readonly instances: Values;
  readonly diskBytes: Values;
  readonly transferSeconds: Values;
  readonly outInstances: Values;
  readonly outBytes: Values;
  readonly decisions: Values;
}

export interface FarmSeries {
  readonly inInstances: Values;
  readonly inBytes: Values;
  readonly outInstances: Values;
  readonly outBytes: Values;
  readonly waitingInstances: Values;
  readonly oldestAgeSeconds: Values;
  readonly quarantined: Values;
}

export interface Series {
  readonly from: string;
  readonly to: string;
  /** Seconds between two points. */
  readonly step: number;
  /** Unix seconds. */
  readonly at: readonly number[];
  readonly farm: FarmSeries;
  readonly orthancs: Readonly<Record<string, OrthancSeries>>;
}

export interface TimelineItem {
  readonly at: string;
  readonly kind: string;
  readonly title: string;
  readonly detail: string | null;
  readonly backend: string | null;
  readonly front: string | null;
  readonly instances: number | null;
  readonly bytes: number | null;
  readonly seconds: number | null;
  readonly decisionId: number | null;
}

export interface ScenarioInfo {
  readonly name: string;
  readonly title: string;
  readonly description: string;
}

export interface SimulationRow {
  readonly policy: string;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  readonly makespanRatio: number | null;
  readonly imbalance: number | null;
  readonly splits: number | null;
  readonly lost: number | null;
  readonly retries: number | null;
}

export interface SimulationCurve {
  readonly policy: string;
  readonly quantiles: readonly { readonly q: number; readonly seconds: number | null }[];
}

export interface Simulation {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled';
  /** 0–1. */
  readonly progress: number;
  readonly error: string | null;
  readonly result: {
    readonly rows: readonly SimulationRow[];
    readonly curves: readonly SimulationCurve[];
  } | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
