import type { AdminDeps } from '../deps.ts';
import { heldBack } from '../held.ts';
import { defaultLimit, historyPage, resolutionFor } from '../paging.ts';
import { presentBackend, presentFront, presentHistory, presentQueue } from '../present.ts';
import { notHere, Problem } from '../problems.ts';
import { type Route, route } from '../route.ts';
import {
  backendAnswer,
  backendChange,
  backendParams,
  frontAnswer,
  historyAnswer,
  historyQuery,
  listOf,
  pageOf,
  queueAnswer,
  reconcileAnswer,
  totalsAnswer,
} from '../schemas.ts';

const hourMs = 3_600_000;

/** Backends, and what waits, and what was. */
export function farmRoutes(
  deps: Pick<
    AdminDeps,
    'ledger' | 'pool' | 'topology' | 'clock' | 'log' | 'reconcile' | 'frontHealth' | 'admission'
  >,
): readonly Route[] {
  const { ledger, pool, clock, log } = deps;
  let reconciling: Promise<void> | null = null;

  function known(name: string) {
    const status = pool.status(name);
    if (status === null) {
      throw new Problem(
        404,
        'unknown-backend',
        'There is no such backend',
        `The topology has ${pool.names().join(', ')}; not ${name}.`,
      );
    }
    return status;
  }

  return [
    route({
      method: 'get',
      path: '/api/v1/backends',
      summary: 'Every backend as it is now',
      answer: listOf(backendAnswer),
      handle: () => ({ items: pool.statuses().map(presentBackend) }),
    }),
    route({
      method: 'get',
      path: '/api/v1/backends/:name',
      summary: 'One backend as it is now',
      params: backendParams,
      answer: backendAnswer,
      problems: { 404: 'No backend of this name' },
      handle: ({ params: { name } }) => presentBackend(known(name)),
    }),
    route({
      method: 'patch',
      path: '/api/v1/backends/:name',
      summary:
        'Takes a backend out of new placements (drain), out of everything (maint), or back (ready); or weighs it',
      params: backendParams,
      body: backendChange,
      answer: backendAnswer,
      problems: { 404: 'No backend of this name' },
      handle: ({ params: { name }, body, caller }) => {
        known(name);
        const said = [
          body.state === undefined ? null : `state ${body.state}`,
          body.weight === undefined ? null : `weight ${body.weight ?? 'as in the topology'}`,
        ];
        const now = clock();
        // First the entry: nothing is changed that nobody could find out about later.
        ledger.audit({
          at: now,
          who: caller.name,
          action: 'backend-set',
          target: name,
          detail: said.filter((part) => part !== null).join(', '),
        });
        const status = pool.setOperator(
          name,
          {
            ...(body.state === undefined ? {} : { state: body.state }),
            ...(body.weight === undefined ? {} : { weight: body.weight }),
          },
          now,
        );
        log.info('backend set by an operator', {
          backend: name,
          state: status.operator,
          weight: status.weight,
        });
        return presentBackend(status);
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/fronts',
      summary: 'Every front: whether it answers, and whether it takes new images',
      answer: listOf(frontAnswer),
      handle: () => {
        const health = deps.frontHealth?.();
        return {
          items: deps.topology.fronts.map((front) =>
            presentFront(front, health?.get(front.name), deps.admission?.(front.name)),
          ),
        };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/queue',
      summary: 'Everything that waits, and why',
      answer: queueAnswer,
      handle: () => {
        const now = clock();
        return presentQueue(ledger.queue(), (name) => heldBack(pool, name, now), now);
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/history',
      summary: 'Load of every Orthanc over time, oldest first',
      query: historyQuery,
      answer: pageOf(historyAnswer),
      handle: ({ query }) => {
        const to = query.to ?? clock();
        const from = query.from ?? to - hourMs;
        if (from > to) {
          const detail = 'must not be after `to`';
          throw new Problem(400, 'invalid-request', 'The request is not valid', `query.from: ${detail}`, {
            problems: [{ where: 'query.from', detail }],
          });
        }
        const page = historyPage(
          ledger,
          {
            ...(query.orthanc === undefined ? {} : { orthanc: query.orthanc }),
            from,
            to,
            resolution: query.resolution ?? resolutionFor(to - from),
          },
          { limit: query.limit ?? defaultLimit, cursor: query.cursor },
        );
        return { items: page.items.map(presentHistory), next: page.next };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/totals',
      summary: 'Counts since the ledger began',
      answer: totalsAnswer,
      handle: () => {
        const { received, proven, removed, vanished, decisions } = ledger.totals();
        return {
          received,
          proven,
          removed,
          vanished,
          decisions: {
            placed: decisions.placed,
            followed: decisions.followed,
            rebound: decisions.rebound,
            waiting: decisions.waiting,
          },
        };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/reconcile',
      summary: 'Compares every front with the ledger now instead of at the next turn',
      answer: reconcileAnswer,
      problems: { 501: 'This service has no reconciler' },
      handle: async ({ caller }) => {
        if (deps.reconcile === undefined) throw notHere('reconciler');
        ledger.audit({
          at: clock(),
          who: caller.name,
          action: 'reconcile',
          target: deps.topology.fronts.map((front) => front.name).join(', '),
          detail: 'fronts compared with the ledger at once',
        });
        const started = performance.now();
        // Callers that come meanwhile wait for the same turn: it lists whole fronts, one at a time is enough.
        reconciling ??= deps.reconcile().finally(() => {
          reconciling = null;
        });
        await reconciling;
        return { seconds: Math.round(performance.now() - started) / 1000 };
      },
    }),
  ];
}
