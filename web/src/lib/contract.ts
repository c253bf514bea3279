import type { BackendAnswer, FrontAnswer } from '../../../src/admin/schemas.ts';

/** What the API answers, as far as the dashboard reads it. Answers that have a schema of their own take their type from there. */

export interface Session {
  readonly name: string;
  readonly role: Role;
  readonly expiresAt: string | null;
}

export type Role = 'view' | 'operate' | 'admin';

export interface Flow {
  readonly instancesPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface FarmModality {
  readonly aet: string;
  readonly station: string | null;
  readonly modality: string | null;
  readonly fronts: readonly (Flow & { readonly front: string })[];
  readonly lastSeenAt: string;
}

export interface FarmFront extends FrontAnswer {
  readonly freeBytes: number | null;
  readonly edges: readonly (Flow & { readonly backend: string })[];
}

export interface FarmBackend extends BackendAnswer {
  readonly learnt: {
    readonly instancesPerSecond: number | null;
    readonly bytesPerSecond: number | null;
    readonly secondsPerTransfer: number | null;
    readonly measured: boolean;
  };
  readonly waiting: {
    readonly studies: number;
    readonly instances: number;
    readonly bytes: number;
    readonly oldestAgeSeconds: number | null;
  };
  readonly held: string | null;
  readonly diskLimitBytes: number | null;
  readonly rate: { readonly instances: number; readonly bytes: number };
}

export interface Farm {
  readonly at: string;
  readonly version: string;
  readonly notice: string | null;
  readonly policy: { readonly name: string; readonly order: string; readonly shadow: string | null };
  readonly waiting: {
    readonly instances: number;
    readonly bytes: number;
    readonly oldestAgeSeconds: number | null;
    readonly quarantined: number;
    readonly unplacedStudies: number;
    readonly settling: number;
  };
  readonly rates: {
    readonly inInstances: number;
    readonly inBytes: number;
    readonly outInstances: number;
    readonly outBytes: number;
  };
  readonly modalities: readonly FarmModality[];
  readonly fronts: readonly FarmFront[];
  readonly backends: readonly FarmBackend[];
}

export interface JournalEntry {
  readonly id: string | number;
  readonly at: string;
  readonly kind: string;
  readonly studyInstanceUID: string | null;
  readonly backend: string | null;
  readonly who: string | null;
  readonly text: string;
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

export interface Choice {
  readonly name: string;
  readonly description: string;
}

export interface Routing {
  readonly policy: string;
  readonly order: string;
  readonly shadow: string | null;
  readonly policies: readonly Choice[];
  readonly orders: readonly Choice[];
}

export interface Check {
  readonly ok: boolean;
  readonly detail: string;
}

export interface Echo {
  readonly ok: boolean;
  readonly seconds: number;
  readonly rest: Check;
  readonly dicom: Check | null;
  readonly peer: readonly (Check & { readonly front: string })[];
}

export interface TokenInfo {
  readonly name: string;
  readonly role: Role;
  readonly createdAt: string;
  readonly lastUsedAt?: string | null;
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
