import type { EpochMs } from '../study.ts';
import type { Connection } from './connection.ts';
import type { Page } from './ledger.ts';

/** Something that happened: to a study beside its way, or by a person. */
export interface JournalEntry {
  /** Of its own, and for good: `e` and the number of an event, `a` and the number of an entry of the audit. */
  readonly id: string;
  readonly at: EpochMs;
  readonly kind: string;
  readonly studyUid: string | null;
  /** What it was done to, or where the study is bound now. */
  readonly backend: string | null;
  /** Null: it happened by itself. */
  readonly who: string | null;
  readonly text: string;
}

/** Everything up to these was seen. Both only ever grow. */
export interface JournalPosition {
  readonly event: number;
  readonly audit: number;
}

export interface JournalFilter {
  readonly study?: string;
  readonly backend?: string;
  readonly kind?: string;
}

export interface JournalLedger {
  /**
   * Events of studies and what people did, newest first. What a filter leaves out is walked over, and never for long: a page may have
   * fewer entries than asked for, or none, and there is more as long as `next` is not null.
   */
  journal(filter: JournalFilter, page: { limit: number; cursor?: string }): Page<JournalEntry>;
  /** What came after, oldest first, each with the position after it. */
  journalAfter(
    position: JournalPosition,
    limit: number,
  ): readonly { readonly entry: JournalEntry; readonly position: JournalPosition }[];
  /** The newest. */
  journalPosition(): JournalPosition;
}

/** Rows of each kind that one page walks over at most: some milliseconds. */
const mostWalked = 2_000;
const readAtOnce = 200;
/** More than any number, and short enough for a cursor. */
const beyondAll = 999_999_999_999_999;

const boundTo = (study: string): string => `
  (SELECT a.backend FROM assignments a WHERE a.study = ${study} AND a.ended_at IS NULL ORDER BY a.copy LIMIT 1)`;
const eventColumns = `e.id, e.at, e.kind, s.uid AS studyUid, ${boundTo('e.study')} AS backend, NULL AS who, e.text`;
const auditColumns = `u.id, u.at, u.action AS kind, s.uid AS studyUid, coalesce(b.name, ${boundTo('s.id')}) AS backend, u.who,
  CASE WHEN u.detail = '' THEN u.target ELSE u.target || ': ' || u.detail END AS text`;
const auditTables = `LEFT JOIN studies s ON s.uid = u.target LEFT JOIN backends b ON b.name = u.target`;

export const journalSql = {
  eventsBefore: `
    SELECT ${eventColumns} FROM events e CROSS JOIN studies s ON s.id = e.study
    WHERE e.id < @before ORDER BY e.id DESC LIMIT @limit`,
  eventsOfStudyBefore: `
    SELECT ${eventColumns} FROM studies s CROSS JOIN events e ON e.study = s.id
    WHERE s.uid = @study AND e.id < @before ORDER BY e.id DESC LIMIT @limit`,
  eventsAfter: `
    SELECT ${eventColumns} FROM events e CROSS JOIN studies s ON s.id = e.study
    WHERE e.id > @after ORDER BY e.id LIMIT @limit`,
  auditBefore: `
    SELECT ${auditColumns} FROM audit u ${auditTables} WHERE u.id < @before ORDER BY u.id DESC LIMIT @limit`,
  auditOfBefore: `
    SELECT ${auditColumns} FROM audit u ${auditTables}
    WHERE u.target = @target AND u.id < @before ORDER BY u.id DESC LIMIT @limit`,
  auditAfter: `
    SELECT ${auditColumns} FROM audit u ${auditTables} WHERE u.id > @after ORDER BY u.id LIMIT @limit`,
  lastEvent: `SELECT max(id) AS id FROM events`,
  lastAudit: `SELECT max(id) AS id FROM audit`,
} as const;

interface Row extends Omit<JournalEntry, 'id'> {
  readonly id: number;
}

/** The part that tells, in one order, what is kept in two tables. */
export function createJournal(connection: Connection): JournalLedger {
  const eventsBefore = connection.prepare<Row>(journalSql.eventsBefore);
  const eventsOfStudyBefore = connection.prepare<Row>(journalSql.eventsOfStudyBefore);
  const eventsAfter = connection.prepare<Row>(journalSql.eventsAfter);
  const auditBefore = connection.prepare<Row>(journalSql.auditBefore);
  const auditOfBefore = connection.prepare<Row>(journalSql.auditOfBefore);
  const auditAfter = connection.prepare<Row>(journalSql.auditAfter);
  const lastEvent = connection.prepare<{ id: number | null }>(journalSql.lastEvent);
  const lastAudit = connection.prepare<{ id: number | null }>(journalSql.lastAudit);

  return {
    journal: (filter, { limit, cursor }) =>
      connection.read(() => {
        const start = cursor === undefined ? null : readPosition(cursor);
        const { study } = filter;
        const target = study ?? filter.backend;
        const events = new Walk(start?.event ?? beyondAll, (before) =>
          study === undefined
            ? eventsBefore.all({ before, limit: readAtOnce })
            : eventsOfStudyBefore.all({ study, before, limit: readAtOnce }),
        );
        const audit = new Walk(start?.audit ?? beyondAll, (before) =>
          target === undefined
            ? auditBefore.all({ before, limit: readAtOnce })
            : auditOfBefore.all({ target, before, limit: readAtOnce }),
        );
        const items: JournalEntry[] = [];
        let walked = 0;
        for (;;) {
          const event = events.peek();
          const act = audit.peek();
          if (event === null && act === null) return { items, next: null };
          if (items.length >= limit || walked >= mostWalked)
            return { items, next: positionText({ event: events.before, audit: audit.before }) };
          walked++;
          const isEvent = event !== null && (act === null || event.at >= act.at);
          const row = isEvent ? event : act;
          if (row === null) continue;
          (isEvent ? events : audit).take();
          if (matches(row, filter)) items.push(entryOf(row, isEvent ? 'e' : 'a'));
        }
      }),

    journalAfter: (position, limit) =>
      connection.read(() => {
        const events = eventsAfter.all({ after: position.event, limit });
        const acts = auditAfter.all({ after: position.audit, limit });
        const told: { entry: JournalEntry; position: JournalPosition }[] = [];
        let reached = position;
        // Merged and not sorted: of one table the order of the numbers stands, whatever somebody did to the clock, or one would be passed over.
        for (let event = 0, act = 0; told.length < limit; ) {
          const nextEvent = events[event];
          const nextAct = acts[act];
          if (nextEvent !== undefined && (nextAct === undefined || nextEvent.at <= nextAct.at)) {
            event++;
            reached = { ...reached, event: nextEvent.id };
            told.push({ entry: entryOf(nextEvent, 'e'), position: reached });
          } else if (nextAct !== undefined) {
            act++;
            reached = { ...reached, audit: nextAct.id };
            told.push({ entry: entryOf(nextAct, 'a'), position: reached });
          } else break;
        }
        return told;
      }),

    journalPosition: () =>
      connection.read(() => ({ event: lastEvent.get()?.id ?? 0, audit: lastAudit.get()?.id ?? 0 })),
  };
}

/** As text, for a cursor or the id of a message. */
export function positionText({ event, audit }: JournalPosition): string {
  return `${event}.${audit}`;
}

/** Null when it is none of ours. */
export function readPosition(text: string): JournalPosition | null {
  const parts = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  return parts === null ? null : { event: Number(parts[1]), audit: Number(parts[2]) };
}

/** Rows of one table, from the newest on, read in pieces. */
class Walk {
  /** Rows with smaller numbers are still to come. */
  before: number;
  readonly #read: (before: number) => readonly Row[];
  #rows: readonly Row[] = [];
  #index = 0;
  #isLast = false;

  constructor(before: number, read: (before: number) => readonly Row[]) {
    this.before = before;
    this.#read = read;
  }

  peek(): Row | null {
    if (this.#index === this.#rows.length && !this.#isLast) {
      this.#rows = this.#read(this.before);
      this.#index = 0;
      this.#isLast = this.#rows.length < readAtOnce;
    }
    return this.#rows[this.#index] ?? null;
  }

  take(): void {
    const row = this.#rows[this.#index];
    if (row === undefined) return;
    this.#index++;
    this.before = row.id;
  }
}

function matches(row: Row, { study, backend, kind }: JournalFilter): boolean {
  return (
    (study === undefined || row.studyUid === study) &&
    (backend === undefined || row.backend === backend) &&
    (kind === undefined || row.kind === kind)
  );
}

function entryOf({ id, at, kind, studyUid, backend, who, text }: Row, prefix: 'e' | 'a'): JournalEntry {
  return { id: `${prefix}${id}`, at, kind, studyUid, backend, who, text };
}
