import type { AdminDeps } from '../deps.ts';
import {
  acceptCurrentBody,
  formerCopiesAnswer,
  formerCopiesQuery,
  formerCopyAnswer,
  rebindBody,
  reboundAnswer,
} from '../failover-schemas.ts';
import { defaultLimit } from '../paging.ts';
import { presentFormerCopy, presentRebound } from '../present-failover.ts';
import { notHere } from '../problems.ts';
import { type Route, route } from '../route.ts';
import { listOf, studyParams } from '../schemas.ts';

/** Studies that go to another backend, and what they leave behind. The rooms asked keep the audit trail: they know what came of it. */
export function failoverRoutes({
  ledger,
  failover,
  healer,
}: Pick<AdminDeps, 'ledger' | 'failover' | 'healer'>): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/studies/:uid/rebind',
      summary:
        'Binds a study to another backend, whole; what the former one has is moved or deleted afterwards',
      params: studyParams,
      body: rebindBody,
      bodyOptional: true,
      answer: reboundAnswer,
      problems: {
        404: 'The ledger does not know the study, or the topology not the backend',
        409: 'It cannot go there now; `detail` says why',
        501: 'This service has no failover',
      },
      handle: ({ params: { uid }, body: { backend, copy }, caller }) => {
        if (failover === undefined) throw notHere('failover');
        return presentRebound(
          failover.rebind({ studyUid: uid, copy: copy ?? 0, backend: backend ?? null, who: caller.name }),
        );
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/former-copies',
      summary: 'What studies left on backends they were bound to before, oldest first',
      query: formerCopiesQuery,
      answer: formerCopiesAnswer,
      handle: ({ query: { study, backend, limit = defaultLimit } }) => {
        const found = ledger.formerCopies(
          {
            ...(study === undefined ? {} : { studyUid: study }),
            ...(backend === undefined ? {} : { backend }),
          },
          limit + 1,
        );
        return { items: found.slice(0, limit).map(presentFormerCopy), more: found.length > limit };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/studies/:uid/accept-current',
      summary:
        'Settles a conflict: what the current backend has stands, what the former one has of the study is deleted',
      params: studyParams,
      body: acceptCurrentBody,
      answer: listOf(formerCopyAnswer),
      problems: {
        404: 'The ledger does not know the study, or the topology not the backend',
        409: 'Nothing of it is in conflict there',
        501: 'This service has no healer',
      },
      handle: ({ params: { uid }, body: { backend }, caller }) => {
        if (healer === undefined) throw notHere('healer');
        healer.acceptCurrent(uid, backend, caller.name);
        return { items: ledger.formerCopies({ studyUid: uid }).map(presentFormerCopy) };
      },
    }),
  ];
}
