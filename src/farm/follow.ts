import type { Environment } from '../environment.ts';
import { loadTopology } from '../topology/load.ts';
import type { BackendConfig, Topology } from '../topology/topology.ts';
import { watchTopology } from '../topology/watch.ts';
import { UserError } from '../user-error.ts';
import type { Farm } from './farm.ts';
import { prepareFiles } from './generated.ts';
import { prepareHome } from './home.ts';
import { isLocal, membersOf, orthancPorts } from './members.ts';
import { checkPorts } from './ports.ts';

export interface FollowOptions {
  readonly farm: Farm;
  readonly read: () => Environment;
  /** The topology file as it was before it was read for the start. */
  readonly since: string | null;
  /** Arguments to this Node that run the service. */
  readonly service: readonly string[] | undefined;
  readonly say: (line: string) => void;
}

/**
 * Has a farm that runs follow its topology: backends with `run` that were added are started, those that are gone are stopped. The rest
 * of the change is the service's, which looks at the file itself. Never throws: what cannot be done is said.
 *
 * Returns the way to end it; done when no change is under way any more.
 */
export function followTopology({ farm, read, since, service, say }: FollowOptions): () => Promise<void> {
  const { topologyFile } = read();
  let isOver = false;
  let work: Promise<void> = Promise.resolve();

  async function change(topology: Topology): Promise<void> {
    if (isOver) return;
    const environment = read();
    const running = farm.backends();
    const fresh = topology.backends.filter((one) => isLocal(one) && !running.includes(one.name));
    const refused = new Set<string>();
    for (const one of fresh) if (!(await canStart(one, environment))) refused.add(one.name);
    const home = prepareHome(
      environment.home,
      fresh.map(({ name }) => name),
    );
    prepareFiles(environment).write();
    const members = membersOf(topology, environment, home, service);
    await farm.change(members.filter(({ program }) => !refused.has(program.name)));
  }

  async function canStart(one: BackendConfig, environment: Environment): Promise<boolean> {
    try {
      await checkPorts(orthancPorts({ fronts: [], backends: [one] }), environment.topologyFile);
      return true;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      say(`${one.name} is not started: ${error.message}`);
      return false;
    }
  }

  const end = watchTopology({
    file: topologyFile,
    since,
    load: () => {
      const { variables } = read();
      return loadTopology(topologyFile, variables);
    },
    onTopology(topology) {
      work = work
        .then(() => change(topology))
        .catch((error: unknown) => {
          say(
            `The changed topology could not be followed: ${error instanceof Error ? error.message : String(error)}`,
          );
        });
    },
    log: {
      warn: (message) => say(message),
      error: (message, { detail }) => say(detail === undefined ? message : `${message}: ${detail}`),
    },
  });
  return async () => {
    isOver = true;
    end();
    await work;
  };
}
