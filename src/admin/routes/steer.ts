import { farmVariable } from '../../topology/variables.ts';
import type { AdminDeps } from '../deps.ts';
import { presentChanged, presentEcho, settingsOf } from '../present-steer.ts';
import { notHere, Problem } from '../problems.ts';
import { type Route, route } from '../route.ts';
import { backendParams } from '../schemas.ts';
import {
  backendSettings,
  changedBackendAnswer,
  echoAnswer,
  newBackend,
  removal,
  removedAnswer,
} from '../steer-schemas.ts';

const problems = {
  404: 'No backend of this name',
  409: 'The topology has changed since `If-Match`, or cannot be written here',
  422: 'The topology would not be valid; `problems` has every mistake',
  501: 'This service was not told where its topology is kept',
};

/** Backends that come, change and go while everything runs. The room keeps the audit trail. */
export function steerRoutes({
  pool,
  steer,
  echo,
}: Pick<AdminDeps, 'pool' | 'steer' | 'echo'>): readonly Route[] {
  function unknown(name: string): Problem {
    const detail = `The topology has ${pool.names().join(', ')}; not ${name}.`;
    return new Problem(404, 'unknown-backend', 'There is no such backend', detail);
  }

  function known(name: string) {
    const status = pool.status(name);
    if (status === null) throw unknown(name);
    return status;
  }

  return [
    route({
      method: 'post',
      path: '/api/v1/backends',
      summary:
        'Adds a backend to the topology: it takes studies as soon as it answers and the fronts have it as a peer',
      role: 'admin',
      body: newBackend,
      answer: changedBackendAnswer,
      problems: {
        ...problems,
        409: 'There is one of this name already, or the topology cannot be written here',
      },
      handle: async ({ body, caller, ifMatch }) => {
        if (steer === undefined) throw notHere('topology');
        const { name, ...settings } = body;
        // Where nobody says: the variable that the fronts have for it as well.
        const given = settingsOf(settings);
        const hasPassword = given.password !== undefined || given.values['password'] !== undefined;
        const peers = await steer.add(
          name,
          hasPassword
            ? given
            : { values: { ...given.values, password: { env: `${farmVariable(name)}_PASSWORD` } } },
          { who: caller.name, tag: ifMatch },
        );
        return presentChanged(known(name), peers);
      },
    }),
    route({
      method: 'put',
      path: '/api/v1/backends/:name',
      summary:
        'Changes what the topology says of a backend; what is not named stays, and null is the default',
      role: 'admin',
      params: backendParams,
      body: backendSettings,
      answer: changedBackendAnswer,
      problems,
      handle: async ({ params: { name }, body, caller, ifMatch }) => {
        if (steer === undefined) throw notHere('topology');
        const peers = await steer.change(name, settingsOf(body), { who: caller.name, tag: ifMatch });
        return presentChanged(known(name), peers);
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/backends/:name',
      summary: 'Drains a backend and takes it out of the topology; what it holds stays on it',
      role: 'admin',
      params: backendParams,
      body: removal,
      answer: removedAnswer,
      problems: { ...problems, 409: 'Studies are bound to it still; or the topology cannot be written here' },
      handle: async ({ params: { name }, caller, ifMatch }) => {
        if (steer === undefined) throw notHere('topology');
        await steer.remove(name, { who: caller.name, tag: ifMatch });
        return { name, removed: true as const };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/backends/:name/echo',
      summary: 'Whether a backend is reached: from the service, from each front as a peer, and over DICOM',
      params: backendParams,
      answer: echoAnswer,
      problems: { 404: 'No backend of this name' },
      handle: async ({ params: { name }, signal }) => {
        const answer = echo === undefined ? null : await echo(name, signal);
        if (answer === null) throw unknown(name);
        return presentEcho(answer);
      },
    }),
  ];
}
