import type { Environment } from '../environment.ts';
import { loadTopology } from '../topology/load.ts';
import { stampOf } from '../topology/watch.ts';
import { banner } from './banner.ts';
import { createFarm, type Farm } from './farm.ts';
import { followTopology } from './follow.ts';
import { prepareFiles } from './generated.ts';
import { prepareHome } from './home.ts';
import { takeLock } from './lock.ts';
import { isLocal, membersOf, wantedPorts } from './members.ts';
import { checkPorts } from './ports.ts';
import { ensureSecrets } from './secrets.ts';
import { warmService } from './service-command.ts';

/** Where `up` reports; the command line's own output fits. */
export interface UpOutput {
  readonly colour: { bold(text: string): string };
  line(text?: string): void;
  note(text: string): void;
}

export interface UpOptions {
  /** Arguments to this Node that run the service. Default: the project's own. */
  readonly service?: readonly string[];
}

/** Ctrl-C reaches this process from the terminal, and again from each program between: one press, one wish. */
const sameWishMs = 1000;

/**
 * Runs the farm of the topology in the foreground until it is told to stop (SIGINT, SIGTERM, SIGHUP); a second such
 * signal ends everything at once.
 *
 * @param read reads the environment; again after secrets have been made.
 * @returns 0 after an orderly stop, 1 after one in a hurry.
 * @throws UserError, TopologyError before anything is started; FarmError when a program cannot be kept running.
 */
export async function up(read: () => Environment, out: UpOutput, options: UpOptions = {}): Promise<0 | 1> {
  const before = read();
  const since = stampOf(before.topologyFile);
  // The topology first: everything else depends on it, and a mistake in it is the likeliest.
  const draft = loadTopology(before.topologyFile, before.variables, 'generate');
  const orthancs = [...draft.fronts, ...draft.backends].filter(isLocal);
  const home = prepareHome(
    before.home,
    orthancs.map(({ name }) => name),
  );
  const lock = takeLock(home.folder);
  try {
    ensureSecrets(
      before,
      draft.fronts.filter(isLocal).map(({ passwordVariable }) => passwordVariable),
    );
    const environment = read();
    const topology = loadTopology(environment.topologyFile, environment.variables);
    for (const file of prepareFiles(environment).write())
      out.note(`wrote ${file}, which was not what the topology says`);
    const members = membersOf(topology, environment, home, options.service);
    await checkPorts(wantedPorts(topology), environment.topologyFile);
    // Not worth failing for: a cold start takes longer and more memory.
    if (options.service === undefined) warmService(environment.project);
    const farm = createFarm(members, { say: (line) => out.note(line) });
    return await runInForeground(farm, () => {
      out.line(banner(topology, environment, (text) => out.colour.bold(text)));
      return followTopology({ farm, read, since, service: options.service, say: (line) => out.note(line) });
    });
  } finally {
    lock.release();
  }
}

/** @param running is called when everything answers; what it returns ends what it began. */
async function runInForeground(farm: Farm, running: () => () => Promise<void>): Promise<0 | 1> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const { promise: wish, resolve: stopNow } = Promise.withResolvers<'stop'>();
  let firstAt: number | null = null;
  let hurried = false;
  const onSignal = (): void => {
    const now = performance.now();
    if (firstAt === null) {
      firstAt = now;
      stopNow('stop');
    } else if (now - firstAt > sameWishMs) {
      hurried = true;
      farm.kill();
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const begun = farm.start().then(() => 'started' as const);
    if ((await Promise.race([begun, wish])) === 'started') {
      const over = running();
      await wish;
      await over();
    } else {
      // Nobody waits for it any more.
      begun.catch(() => {});
    }
  } finally {
    await farm.stop();
    for (const signal of signals) process.off(signal, onSignal);
  }
  // Only now: the second signal comes while the farm is stopping.
  return hurried ? 1 : 0;
}
