import { setImmediate } from 'node:timers/promises';
import type { z } from 'zod';
import { isOracle } from '../../simulate/run.ts';
import { loadScenario, scenarioNames } from '../../simulate/scenario.ts';
import type { AdminDeps } from '../deps.ts';
import { notHere, Problem } from '../problems.ts';
import { type Route, route } from '../route.ts';
import { listOf } from '../schemas.ts';
import {
  type SimulationAnswer,
  scenarioAnswer,
  simulationAnswer,
  simulationParams,
  simulationRequest,
  simulationStarted,
} from '../simulation-schemas.ts';
import type { Simulation } from '../simulations/desk.ts';
import type { SimulationJob } from '../simulations/job.ts';

const dayMs = 86_400_000;
const unknown = { 404: 'No such simulation, or it is forgotten', 501: 'This service has no simulator' };

/** What other policies would do: with a scenario, or with the last day. Nothing in the farm changes. */
export function simulationRoutes({
  simulations,
  topology,
  routing,
  clock,
}: Pick<AdminDeps, 'simulations' | 'topology' | 'routing' | 'clock'>): readonly Route[] {
  /** They come with the release, and do not change while it runs. */
  let scenarios: Promise<readonly z.infer<typeof scenarioAnswer>[]> | null = null;

  function desk() {
    if (simulations === undefined) throw notHere('simulator');
    return simulations;
  }

  function known(found: Simulation | null): Simulation {
    if (found !== null) return found;
    throw new Problem(
      404,
      'unknown-simulation',
      'This simulation is not known',
      'The service remembers the last ones since it was started.',
    );
  }

  function jobOf({ policies, scenario, order, seeds }: z.output<typeof simulationRequest>): SimulationJob {
    const distinct = [...new Set(policies)];
    if (scenario !== undefined) {
      if (!scenarioNames().includes(scenario)) {
        const detail = `there is no scenario ${scenario}; there are ${scenarioNames().join(', ')}`;
        throw new Problem(400, 'invalid-request', 'The request is not valid', `body.scenario: ${detail}`, {
          problems: [{ where: 'body.scenario', detail }],
        });
      }
      return { kind: 'scenario', scenario, policies: distinct, order: order ?? 'fifo', seeds: seeds ?? null };
    }
    const now = clock();
    // Passwords of the topology have no business on another thread.
    const backends = topology.backends.map((backend) => ({
      ...backend,
      password: '',
      passwordDefault: null,
    }));
    return {
      kind: 'replay',
      span: { from: now - dayMs, to: now },
      policies: distinct.filter((policy) => !isOracle(policy)),
      order: order ?? (routing?.() ?? topology.routing).order,
      topology: { backends, routing: topology.routing },
    };
  }

  return [
    route({
      method: 'get',
      path: '/api/v1/scenarios',
      summary: 'The scenarios that come along',
      answer: listOf(scenarioAnswer),
      revalidate: true,
      handle: async () => ({ items: [...(await (scenarios ??= readScenarios()))] }),
    }),
    route({
      method: 'post',
      path: '/api/v1/simulations',
      summary:
        'Tries policies on a scenario, or on what came in the last day; one at a time, the others wait',
      body: simulationRequest,
      answer: simulationStarted,
      problems: { 501: 'This service has no simulator', 503: 'Too many wait' },
      handle: ({ body }) => {
        const started = desk().start(jobOf(body));
        if (started === null) {
          throw new Problem(
            503,
            'too-many',
            'Too many simulations wait',
            'Cancel one, or come again later.',
            {
              retryAfterSeconds: 30,
            },
          );
        }
        return { id: started.id };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/simulations/:id',
      summary: 'How far a simulation is, and what came of it',
      params: simulationParams,
      answer: simulationAnswer,
      problems: unknown,
      handle: ({ params: { id } }) => present(known(desk().find(id))),
    }),
    route({
      method: 'delete',
      path: '/api/v1/simulations/:id',
      summary: 'Ends a simulation that is not over',
      params: simulationParams,
      answer: simulationAnswer,
      problems: unknown,
      handle: async ({ params: { id } }) => present(known(await desk().cancel(id))),
    }),
  ];
}

/** One at a time: each takes some milliseconds, and hooks are answered in between. */
async function readScenarios(): Promise<readonly z.infer<typeof scenarioAnswer>[]> {
  const items: z.infer<typeof scenarioAnswer>[] = [];
  for (const name of scenarioNames()) {
    const { about, heldOut } = loadScenario(name);
    items.push({ name, title: titleOf(name), description: about, heldOut });
    await setImmediate();
  }
  return items;
}

/** `batch-hetero` → `Batch hetero`. */
function titleOf(name: string): string {
  const words = name.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function present({ id, state, progress, error, result }: Simulation): SimulationAnswer {
  // The thread wrote it, with the types of the schema; looking at each of its figures again would be for nobody.
  const parsed = result === null ? null : (JSON.parse(result) as SimulationAnswer['result']);
  return { id, state, progress, error, result: parsed };
}
