import type { StudyFilter } from '../../ledger/ledger.ts';
import type { AdminDeps } from '../deps.ts';
import type { ExplorerLinks } from '../explorer.ts';
import { heldBack } from '../held.ts';
import { defaultLimit } from '../paging.ts';
import { presentEvent, presentReceipt, presentStudy } from '../present.ts';
import { presentDecisions } from '../present-decisions.ts';
import { Problem } from '../problems.ts';
import { type Route, route } from '../route.ts';
import {
  decisionsAnswer,
  eventAnswer,
  listOf,
  pageOf,
  receiptAnswer,
  studiesQuery,
  studyAnswer,
  studyParams,
} from '../schemas.ts';

const unknown = { 404: 'The ledger does not know the study' };

/** Studies, and what the ledger keeps about each. */
export function studyRoutes(
  { ledger, pool, clock, preview }: Pick<AdminDeps, 'ledger' | 'pool' | 'clock' | 'preview'>,
  links: ExplorerLinks,
): readonly Route[] {
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

  return [
    route({
      method: 'get',
      path: '/api/v1/studies',
      summary: 'Studies, newest news first',
      query: studiesQuery,
      answer: pageOf(studyAnswer),
      handle: ({ query: { limit, cursor, ...filter } }) => {
        const page = ledger.studies(withoutAbsent(filter), {
          limit: limit ?? defaultLimit,
          ...(cursor === undefined ? {} : { cursor }),
        });
        // Asking backends for each row would make a list as slow as the slowest of them: lists link to the front page.
        return { items: page.items.map((study) => presentStudy(study, links.page, held)), next: page.next };
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
