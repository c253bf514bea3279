import { setImmediate } from 'node:timers/promises';
import type { StudyFilter, StudyView } from '../../ledger/ledger.ts';
import { createAccessionSearch } from '../accession.ts';
import type { AdminDeps } from '../deps.ts';
import type { ExplorerLinks } from '../explorer.ts';
import { heldBack } from '../held.ts';
import { timelineAnswer } from '../observe-schemas.ts';
import { defaultLimit } from '../paging.ts';
import { presentEvent, presentReceipt, presentStudy } from '../present.ts';
import { presentDecisions } from '../present-decisions.ts';
import { presentTimeline } from '../present-timeline.ts';
import { Problem } from '../problems.ts';
import { type Route, route } from '../route.ts';
import {
  decisionsAnswer,
  eventAnswer,
  listOf,
  receiptAnswer,
  studiesAnswer,
  studiesQuery,
  studyAnswer,
  studyParams,
} from '../schemas.ts';

/** Studies looked at, and put into words, before the event loop is given back: a few milliseconds. */
const atOnce = { walk: 2_000, items: 50 };

const unknown = { 404: 'The ledger does not know the study' };

/** Studies, and what the ledger keeps about each. */
export function studyRoutes(
  deps: Pick<AdminDeps, 'ledger' | 'pool' | 'backends' | 'topology' | 'clock' | 'log' | 'preview'>,
  links: ExplorerLinks,
): readonly Route[] {
  const { ledger, pool, clock, preview } = deps;
  const byAccession = createAccessionSearch(deps);
  const held = (backend: string): string | null => heldBack(pool, backend, clock());

  function known(uid: string) {
    const study = ledger.study(uid);
    if (study === null) {
      throw new Problem(
        404,
        'unknown-study',
        'This study is not known',
        `No image of study ${uid} has come through a front.`,
      );
    }
    return study;
  }

  /** Piece by piece: whoever asks for what is rare has all that there is looked at, and hooks are answered in between. */
  async function page(
    filter: StudyFilter,
    { limit, cursor, signal }: { limit: number; cursor: string | undefined; signal: AbortSignal },
  ): Promise<{ items: StudyView[]; next: string | null }> {
    const items: StudyView[] = [];
    let next = cursor ?? null;
    do {
      if (items.length > 0 || next !== (cursor ?? null)) await setImmediate();
      const piece = ledger.studies(filter, {
        limit: Math.min(atOnce.items, limit - items.length),
        walk: atOnce.walk,
        ...(next === null ? {} : { cursor: next }),
      });
      items.push(...piece.items);
      ({ next } = piece);
    } while (next !== null && items.length < limit && !signal.aborted);
    return { items, next };
  }

  return [
    route({
      method: 'get',
      path: '/api/v1/studies',
      summary: 'Studies, newest news first',
      query: studiesQuery,
      answer: studiesAnswer,
      problems: { 403: 'Studies may not be looked for by accession number here' },
      handle: async ({ query: { limit, cursor, accession, ...asked }, signal }) => {
        const filter = withoutAbsent(asked);
        // Asking backends for each row would make a list as slow as the slowest of them: lists link to the front page.
        const shown = (study: StudyView) => presentStudy(study, links.page, held);
        if (accession !== undefined) {
          const { studies, unanswered } = await byAccession(accession, filter, signal);
          return { items: studies.map(shown), next: null, unanswered: [...unanswered] };
        }
        const { items, next } = await page(filter, { limit: limit ?? defaultLimit, cursor, signal });
        return { items: items.map(shown), next };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/studies/:uid',
      summary: 'One study: where it is, and how far',
      params: studyParams,
      answer: studyAnswer,
      problems: unknown,
      handle: async ({ params: { uid }, signal }) => {
        const study = known(uid);
        const found = await links.study(
          uid,
          study.assignments.map((assignment) => assignment.backend),
          signal,
        );
        return presentStudy(study, (backend) => found.get(backend) ?? null, held);
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/studies/:uid/decisions',
      summary:
        'Why it went where it went, every candidate with its figures; predicted and happened; why it waits',
      params: studyParams,
      answer: decisionsAnswer,
      problems: unknown,
      handle: ({ params: { uid } }) => {
        const waitsFor = (study: string) => preview?.(study) ?? null;
        return presentDecisions(ledger, known(uid), waitsFor);
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/studies/:uid/timeline',
      summary:
        'Its whole life, oldest first: arrival, decisions, transfers, proof, removal, and what happened beside',
      params: studyParams,
      answer: timelineAnswer,
      problems: unknown,
      handle: ({ params: { uid } }) => presentTimeline(ledger, known(uid)),
    }),
    route({
      method: 'get',
      path: '/api/v1/studies/:uid/events',
      summary: 'What happened to it beside its way',
      params: studyParams,
      answer: listOf(eventAnswer),
      problems: unknown,
      handle: ({ params: { uid } }) => {
        known(uid);
        return { items: ledger.events(uid).map(presentEvent) };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/studies/:uid/receipts',
      summary: 'The proof: the MD5 each backend gave for each instance',
      params: studyParams,
      answer: listOf(receiptAnswer),
      problems: unknown,
      handle: ({ params: { uid } }) => {
        known(uid);
        return { items: ledger.receipts(uid).map(presentReceipt) };
      },
    }),
  ];
}

/** Absent is not the same as `undefined` for the ledger's filter. */
function withoutAbsent(filter: { [K in keyof StudyFilter]: StudyFilter[K] | undefined }): StudyFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}
