import type { AdminDeps } from '../deps.ts';
import { presentRouting, presentTopology } from '../present-steer.ts';
import { notHere } from '../problems.ts';
import { type Route, route } from '../route.ts';
import { routingAnswer, routingChange, topologyAnswer } from '../steer-schemas.ts';

/** The topology as a whole, and how studies are spread. */
export function topologyRoutes({ steer, topology }: Pick<AdminDeps, 'steer' | 'topology'>): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/topology',
      summary: 'The topology file, without passwords',
      answer: topologyAnswer,
      tag: ({ tag }) => tag,
      problems: { 501: 'This service was not told where its topology is kept' },
      handle: () => {
        if (steer === undefined) throw notHere('topology');
        return presentTopology(steer.topology());
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/routing',
      summary: 'How a backend is chosen, and what else there is to choose from',
      answer: routingAnswer,
      handle: () => presentRouting(steer?.routing() ?? topology.routing),
    }),
    route({
      method: 'patch',
      path: '/api/v1/routing',
      summary: 'Another policy, order or policy on trial, from now on and in the topology',
      role: 'admin',
      body: routingChange,
      answer: routingAnswer,
      problems: {
        409: 'The topology has changed since `If-Match`, or cannot be written here',
        422: 'The topology would not be valid',
        501: 'This service was not told where its topology is kept',
      },
      handle: ({ body: { policy, order, shadow }, caller, ifMatch }) => {
        if (steer === undefined) throw notHere('topology');
        const set = {
          ...(policy === undefined ? {} : { policy }),
          ...(order === undefined ? {} : { order }),
          ...(shadow === undefined ? {} : { shadow: shadow ?? 'none' }),
        };
        steer.setRouting(set, { who: caller.name, tag: ifMatch });
        return presentRouting(steer.routing());
      },
    }),
  ];
}
