import type { AdminDeps } from '../deps.ts';
import { auditAnswer } from '../failover-schemas.ts';
import { defaultLimit } from '../paging.ts';
import { presentAudit } from '../present-failover.ts';
import { type Route, route } from '../route.ts';
import { pageOf, pageQuery } from '../schemas.ts';

/** What people did. Images sent with `POST /instances` are not in it: they are in the ledger like those of any modality. */
export function auditRoutes({ ledger }: Pick<AdminDeps, 'ledger'>): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/audit',
      summary: 'What people did, newest first',
      query: pageQuery,
      answer: pageOf(auditAnswer),
      handle: ({ query: { limit, cursor } }) => {
        const page = ledger.auditTrail({
          limit: limit ?? defaultLimit,
          ...(cursor === undefined ? {} : { cursor }),
        });
        return { items: page.items.map(presentAudit), next: page.next };
      },
    }),
  ];
}
