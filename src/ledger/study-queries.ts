import type { Statement } from 'better-sqlite3';
import type { StudyState } from '../study.ts';
import type { Connection } from './connection.ts';
import { readCursor } from './cursor.ts';
import type { StudyFilter } from './ledger.ts';

export const studyColumns = `s.id, s.uid, s.state, s.waiting_reason AS waitingReason, s.modality, s.station,
  s.remote_aet AS remoteAet, s.called_aet AS calledAet, s.fronts, s.first_seen_at AS firstSeenAt,
  s.last_news_at AS lastNewsAt, s.instances, s.verified, s.removed, s.quarantined, s.vanished, s.discarded, s.former, s.bytes`;

export interface StudyRow {
  readonly id: number;
  readonly uid: string;
  readonly state: StudyState;
  readonly waitingReason: string | null;
  readonly modality: string | null;
  readonly station: string | null;
  readonly remoteAet: string | null;
  readonly calledAet: string | null;
  readonly fronts: string;
  readonly firstSeenAt: number;
  readonly lastNewsAt: number;
  readonly instances: number;
  readonly verified: number;
  readonly removed: number;
  readonly quarantined: number;
  readonly vanished: number;
  readonly discarded: number;
  readonly former: number;
  readonly bytes: number;
}

export const filterNames = ['backend', 'state', 'modality', 'station', 'aet', 'since', 'until'] as const;
export type FilterName = (typeof filterNames)[number];

const conditions: Record<FilterName, string> = {
  backend: `EXISTS (SELECT 1 FROM assignments a WHERE a.study = s.id AND a.ended_at IS NULL AND a.backend = @backend)`,
  state: 's.state = @state',
  modality: 's.modality = @modality',
  station: 's.station = @station',
  aet: '(s.remote_aet = @aet OR s.called_aet = @aet)',
  since: 's.last_news_at >= @since',
  until: 's.last_news_at < @until',
};

/**
 * The index to walk, in the order of the page, so that a page never sorts all that there is. Most of the time the state
 * tells most: few studies are anything but removed. Given to SQLite and not left to it, because its statistics are of
 * the day they were made.
 */
function walkedIndex(present: ReadonlySet<FilterName>): string {
  if (present.has('state')) return 'studies_state';
  if (present.has('station')) return 'studies_station';
  if (present.has('modality')) return 'studies_modality';
  return 'studies_news';
}

/** The statement for a set of filters. Backend and AE title are looked at on the way along the index. */
export function studiesSql(present: ReadonlySet<FilterName>): string {
  const where = filterNames.filter((name) => present.has(name)).map((name) => conditions[name]);
  return `
    SELECT ${studyColumns} FROM studies s INDEXED BY ${walkedIndex(present)}
    WHERE ${[...where, '(s.last_news_at, s.id) < (@at, @id)'].join(' AND ')}
    ORDER BY s.last_news_at DESC, s.id DESC LIMIT @limit`;
}

const beforeAll = { at: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER };

/** Pages of studies, newest news first; one prepared statement for each set of filters that was asked for. */
export function createStudyQueries(connection: Connection): {
  /** One row more than the limit when there are more. */
  page(filter: StudyFilter, page: { readonly limit: number; readonly cursor?: string }): StudyRow[];
} {
  const prepared = new Map<string, Statement<unknown[], StudyRow>>();

  function statementFor(present: ReadonlySet<FilterName>): Statement<unknown[], StudyRow> {
    const sql = studiesSql(present);
    const statement = prepared.get(sql) ?? connection.prepare<StudyRow>(sql);
    prepared.set(sql, statement);
    return statement;
  }

  return {
    page(filter, { limit, cursor }) {
      const present = new Set(filterNames.filter((name) => filter[name] !== undefined));
      const after = cursor === undefined ? beforeAll : readCursor(cursor);
      return statementFor(present).all({ ...filter, ...after, limit: limit + 1 });
    },
  };
}
