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

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
