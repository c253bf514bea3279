import type { SessionAnswer } from '../../../src/admin/account-schemas.ts';
import type { FarmAnswer, JournalAnswer, SeriesAnswer } from '../../../src/admin/observe-schemas.ts';

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

export type Series = SeriesAnswer;
export type OrthancSeries = Series['orthancs'][string];

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
