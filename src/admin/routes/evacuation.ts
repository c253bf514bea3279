import type { AdminDeps } from '../deps.ts';
import { evacuationAnswer, evacuationBody } from '../failover-schemas.ts';
import { presentEvacuation } from '../present-failover.ts';
import { notHere, Problem } from '../problems.ts';
import { type Route, route } from '../route.ts';
import { backendParams, listOf } from '../schemas.ts';

/** Backends that are being emptied for good. The evacuator keeps the audit trail. */
export function evacuationRoutes({
  ledger,
  pool,
  evacuator,
}: Pick<AdminDeps, 'ledger' | 'pool' | 'evacuator'>): readonly Route[] {
  function known(backend: string) {
    const evacuation = ledger.evacuation(backend);
    if (evacuation !== null) return evacuation;
    // Asked for by a wrong name, "it was never evacuated" would be true and of no use.
    const detail =
      pool.status(backend) === null
        ? `The topology has ${pool.names().join(', ')}; not ${backend}.`
        : `${backend} is not being evacuated and never was.`;
    throw new Problem(404, 'no-evacuation', 'There is no such evacuation', detail);
  }

  return [
    route({
      method: 'get',
      path: '/api/v1/evacuations',
      summary: 'The last evacuation of every backend that has had one',
      answer: listOf(evacuationAnswer),
      handle: () => ({ items: ledger.evacuations().map(presentEvacuation) }),
    }),
    route({
      method: 'get',
      path: '/api/v1/backends/:name/evacuation',
      summary: 'How far the evacuation of a backend is',
      params: backendParams,
      answer: evacuationAnswer,
      problems: { 404: 'It has never been evacuated' },
      handle: ({ params: { name } }) => presentEvacuation(known(name)),
    }),
    route({
      method: 'post',
      path: '/api/v1/backends/:name/evacuation',
      summary:
        'Moves everything a backend holds elsewhere; for one that is under way: goes on with these settings',
      params: backendParams,
      body: evacuationBody,
      bodyOptional: true,
      answer: evacuationAnswer,
      problems: {
        404: 'No backend of this name',
        409: 'There is no other backend for its studies',
        501: 'This service has no evacuator',
      },
      handle: ({ params: { name }, body, caller }) => {
        if (evacuator === undefined) throw notHere('evacuator');
        const before = ledger.evacuation(name);
        const running = before?.state === 'running' ? before : null;
        return presentEvacuation(
          evacuator.evacuate({
            backend: name,
            target: body.target === undefined ? (running?.target ?? null) : body.target,
            bytesPerSecond:
              body.bytesPerSecond === undefined ? (running?.bytesPerSecond ?? null) : body.bytesPerSecond,
            who: caller.name,
          }),
        );
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/backends/:name/evacuation',
      summary: 'Stops it after what is under way; what was moved stays moved',
      params: backendParams,
      answer: evacuationAnswer,
      problems: { 404: 'It has never been evacuated', 501: 'This service has no evacuator' },
      handle: ({ params: { name }, caller }) => {
        if (evacuator === undefined) throw notHere('evacuator');
        // One that is over already: asking twice is no mistake.
        if (known(name).state !== 'running') return presentEvacuation(known(name));
        return presentEvacuation(evacuator.cancel(name, caller.name));
      },
    }),
  ];
}
