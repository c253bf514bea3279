import type { Statement } from 'better-sqlite3';
import type { StudyState } from '../study.ts';
import type { Connection } from './connection.ts';
import { cursorOf, readCursor } from './cursor.ts';
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

export const filterNames = [
  'uid',
  'backend',
  'state',
  'modality',
  'station',
  'aet',
  'since',
  'until',
] as const;
export type FilterName = (typeof filterNames)[number];

const conditions: Record<FilterName, string> = {
  uid: 's.uid >= @uid AND s.uid < @uidEnd',
  backend: `EXISTS (SELECT 1 FROM assignments a WHERE a.study = s.id AND a.ended_at IS NULL AND a.backend = @backend)`,
  state: 's.state = @state',
  modality: 's.modality = @modality',
  station: 's.station = @station',
  aet: '(s.remote_aet = @aet OR s.called_aet = @aet)',
  since: 's.last_news_at >= @since',
  until: 's.last_news_at < @until',
};

/** The index to walk, and the filters that it leaves nothing out of, or nothing to look at. */
interface Walked {
  readonly index: string;
  readonly covers: readonly FilterName[];
  /** Column or columns of its order, and where a page begins and a piece of the walk ends in them. */
  readonly order: string;
  readonly after: string;
  readonly until: string;
}

const byNews = (index: string, covers: readonly FilterName[]): Walked => ({
  index,
  covers: [...covers, 'since', 'until'],
  order: 's.last_news_at DESC, s.id DESC',
  after: '(s.last_news_at, s.id) < (@at, @id)',
  until: '(s.last_news_at, s.id) >= (@endAt, @endId)',
});

/**
 * The index to walk, in the order of the page, so that a page never sorts all that there is. Most of the time the state
 * tells most: few studies are anything but removed. Given to SQLite and not left to it, because its statistics are of
 * the day they were made. By the beginning of a UID studies come in the order of UIDs: those that begin alike stand together.
 */
function walked(present: ReadonlySet<FilterName>): Walked {
  if (present.has('uid'))
    return {
      index: 'sqlite_autoindex_studies_1',
      covers: ['uid'],
      order: 's.uid',
      after: 's.uid > @afterUid',
      until: 's.uid <= @endUid',
    };
  if (present.has('state')) return byNews('studies_state', ['state']);
  if (present.has('station')) return byNews('studies_station', ['station']);
  if (present.has('modality')) return byNews('studies_modality', ['modality']);
  return byNews('studies_news', []);
}

/** The statement for a set of filters. What the index does not cover is looked at on the way along it. */
export function studiesSql(present: ReadonlySet<FilterName>): string {
  const { index, order, after, until } = walked(present);
  const where = filterNames.filter((name) => present.has(name)).map((name) => conditions[name]);
  return `
    SELECT ${studyColumns} FROM studies s INDEXED BY ${index}
    WHERE ${[...where, after, until].join(' AND ')}
    ORDER BY ${order} LIMIT @limit`;
}

/** Where a piece of so many rows of the index ends. */
export function studiesEndSql(present: ReadonlySet<FilterName>): string {
  const { index, covers, order, after } = walked(present);
  const where = covers.filter((name) => present.has(name)).map((name) => conditions[name]);
  return `
    SELECT s.last_news_at AS at, s.id, s.uid FROM studies s INDEXED BY ${index}
    WHERE ${[...where, after].join(' AND ')} ORDER BY ${order} LIMIT 1 OFFSET @walk - 1`;
}

export const studyUidSql = `SELECT uid FROM studies WHERE id = ?`;

interface Place {
  readonly at: number;
  readonly id: number;
  readonly uid: string;
}

/** Greater than any UID. */
const beyondUids = '\u{10FFFF}';
const first: Place = { at: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER, uid: '' };
const last: Place = { at: Number.MIN_SAFE_INTEGER, id: 0, uid: beyondUids };

export interface StudiesPage {
  readonly rows: StudyRow[];
  /** Where the next page begins; null: that was all. */
  readonly next: string | null;
}

/** Pages of studies, newest news first; one prepared statement for each set of filters that was asked for. */
export function createStudyQueries(connection: Connection): {
  page(
    filter: StudyFilter,
    page: { readonly limit: number; readonly cursor?: string; readonly walk?: number },
  ): StudiesPage;
} {
  const prepared = new Map<string, Statement>();
  const uidOf = connection.prepare<{ uid: string }>(studyUidSql);

  function statementFor<Row>(sql: string): Statement<unknown[], Row> {
    const statement = prepared.get(sql) ?? connection.prepare<Row>(sql);
    prepared.set(sql, statement);
    return statement as Statement<unknown[], Row>;
  }

  /** Cursors carry no UID: they come back in addresses, which others may write down. */
  function placeOf(cursor: string | undefined, isByUid: boolean): Place {
    if (cursor === undefined) return first;
    const { at, id } = readCursor(cursor);
    return { at, id, uid: isByUid ? (uidOf.get(id)?.uid ?? beyondUids) : '' };
  }

  return {
    page(filter, { limit, cursor, walk }) {
      const present = new Set(filterNames.filter((name) => filter[name] !== undefined));
      const { covers } = walked(present);
      const begin = placeOf(cursor, present.has('uid'));
      const range = {
        ...filter,
        uidEnd: `${filter.uid ?? ''}${beyondUids}`,
        at: begin.at,
        id: begin.id,
        afterUid: begin.uid,
      };
      // Where every row of the index is one of the page, the page's own limit is limit enough.
      const isCovered = [...present].every((name) => covers.includes(name));
      const end =
        walk === undefined || isCovered
          ? undefined
          : statementFor<Place>(studiesEndSql(present)).get({ ...range, walk });
      const { at: endAt, id: endId, uid: endUid } = end ?? last;
      const rows = statementFor<StudyRow>(studiesSql(present)).all({
        ...range,
        endAt,
        endId,
        endUid,
        limit: limit + 1,
      });
      const final = rows[limit - 1];
      if (rows.length > limit && final !== undefined)
        return { rows: rows.slice(0, limit), next: cursorOf(final.lastNewsAt, final.id) };
      return { rows, next: end === undefined ? null : cursorOf(end.at, end.id) };
    },
  };
}
