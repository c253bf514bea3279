import type { AdminDeps } from '../deps.ts';
import { defaultLimit } from '../paging.ts';
import { iso } from '../present-failover.ts';
import { presentComparisons, presentDiffering } from '../present-shadow.ts';
import { type Route, route } from '../route.ts';
import { shadowAnswer, shadowQuery } from '../shadow-schemas.ts';

const dayMs = 86_400_000;

/** The policy on trial. */
export function shadowRoutes({
  ledger,
  clock,
  shadow,
}: Pick<AdminDeps, 'ledger' | 'clock' | 'shadow'>): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/shadow',
      summary: 'What the policy on trial would have done otherwise',
      query: shadowQuery,
      answer: shadowAnswer,
      handle: ({ query }) => {
        // What was decided in this very millisecond belongs to now.
        const to = query.to ?? clock() + 1;
        const span = { from: query.from ?? to - dayMs, to };
        const state = shadow?.() ?? { trial: null, leftOut: 0, notKept: 0 };
        return {
          shadow: state.trial,
          from: iso(span.from),
          to: iso(span.to),
          leftOut: state.leftOut,
          notKept: state.notKept,
          comparisons: presentComparisons(ledger.shadowCounts(span)),
          differing: ledger.shadowDiffering(span, query.limit ?? defaultLimit).map(presentDiffering),
        };
      },
    }),
  ];
}
