import { z } from 'zod';
import type { AdminDeps } from '../deps.ts';
import { createFarmView } from '../farm-view.ts';
import { eventsQuery, farmAnswer, journalAnswer } from '../observe-schemas.ts';
import { defaultLimit } from '../paging.ts';
import { presentJournal } from '../present-journal.ts';
import { type Route, rawRoute, route } from '../route.ts';
import { pageOf } from '../schemas.ts';
import { createStream } from '../stream.ts';

/** The farm as it is now, and what happens in it, for those who look on. */
export function observeRoutes(deps: AdminDeps): readonly Route[] {
  const { ledger } = deps;
  const farm = createFarmView(deps);

  return [
    route({
      method: 'get',
      path: '/api/v1/farm',
      summary:
        'The whole farm as it is now: what waits, what flows from where to where, every front and backend',
      answer: farmAnswer,
      handle: () => farm(),
    }),
    rawRoute({
      method: 'get',
      path: '/api/v1/stream',
      summary:
        'The same as server-sent events: `farm` when something has changed, once a second at most, and `journal` as things happen; `Last-Event-ID` resumes the journal',
      answer: z.unknown(),
      answerType: 'text/event-stream',
      problems: { 503: 'Too many listen already, or the service is stopping' },
      handlers: [createStream({ ...deps, farm })],
    }),
    route({
      method: 'get',
      path: '/api/v1/events',
      summary: 'What happened to studies beside their way, and what people did, newest first',
      query: eventsQuery,
      answer: pageOf(journalAnswer),
      handle: ({ query: { limit, cursor, study, backend, kind } }) => {
        const page = ledger.journal(
          {
            ...(study === undefined ? {} : { study }),
            ...(backend === undefined ? {} : { backend }),
            ...(kind === undefined ? {} : { kind }),
          },
          { limit: limit ?? defaultLimit, ...(cursor === undefined ? {} : { cursor }) },
        );
        return { items: page.items.map(presentJournal), next: page.next };
      },
    }),
  ];
}
