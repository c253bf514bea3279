import { z } from 'zod';
import type { HistoryLedger, HistoryPoint, HistoryResolution, Page } from '../ledger/ledger.ts';
import type { EpochMs } from '../study.ts';
import { Problem } from './problems.ts';

export const defaultLimit = 100;

/** Where a page of history ended: the time of its last point, and how many points of that very time were given. */
const position = z.strictObject({ at: z.int(), given: z.int().min(0).max(10_000) });

/**
 * A page of history points, oldest first. The ledger gives history by time span; points of one time (one for each Orthanc)
 * may be torn apart by a page's end, so the cursor says how many of them were given.
 *
 * @throws Problem 400 when the cursor is none of ours
 */
export function historyPage(
  ledger: HistoryLedger,
  query: { orthanc?: string; from: EpochMs; to: EpochMs; resolution: HistoryResolution },
  page: { limit: number; cursor?: string | undefined },
): Page<HistoryPoint> {
  const start = page.cursor === undefined ? { at: query.from, given: 0 } : decode(page.cursor);
  const points = ledger
    .history({ ...query, from: start.at, limit: start.given + page.limit + 1 })
    .slice(start.given);
  const items = points.slice(0, page.limit);
  const last = items.at(-1);
  if (last === undefined || points.length <= page.limit) return { items, next: null };
  const sameTime = items.filter((point) => point.at === last.at).length;
  const given = last.at === start.at ? start.given + sameTime : sameTime;
  return { items, next: encode({ at: last.at, given }) };
}

function encode(at: z.infer<typeof position>): string {
  return Buffer.from(JSON.stringify(at)).toString('base64url');
}

function decode(cursor: string): z.infer<typeof position> {
  try {
    return position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) throw foreignCursor();
    throw error;
  }
}

export function foreignCursor(): Problem {
  return new Problem(
    400,
    'invalid-request',
    'The request is not valid',
    'query.cursor: hand back `next` of the page before, unchanged',
    {
      problems: [{ where: 'query.cursor', detail: 'hand back `next` of the page before, unchanged' }],
    },
  );
}

/** As fine as a chart can show: a sample each 5 s for two hours, minutes for four days, hours beyond. */
export function resolutionFor(spanMs: number): HistoryResolution {
  const hour = 3_600_000;
  if (spanMs <= 2 * hour) return 'raw';
  return spanMs <= 96 * hour ? 'minute' : 'hour';
}
