import { setTimeout as pause } from 'node:timers/promises';
import type { LivePool } from '../backends/pool-live.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../study.ts';
import {
  EditError,
  type EditValues,
  editTopology,
  type TopologyEdit,
  withoutPasswords,
} from '../topology/edit.ts';
import { readTopologyText, replaceTopologyText, TopologyFileError, whyReadOnly } from '../topology/file.ts';
import { parseTopology } from '../topology/load.ts';
import { type Problem, TopologyError } from '../topology/problems.ts';
import type { Topology } from '../topology/topology.ts';
import type { Variables } from '../topology/variables.ts';
import type { Peers } from '../transfer/peers.ts';
import { createSecretFiles } from './secret-files.ts';
import { type Asked, type BackendSettings, type Steer, SteerError } from './steer.ts';

export interface SteerDeps {
  readonly file: string;
  readonly variables: Variables;
  /** The service's state folder. */
  readonly home: string;
  readonly ledger: Pick<Ledger, 'audit' | 'unfinishedOn' | 'formerCopies' | 'evacuations' | 'setBackend'>;
  readonly pool: Pick<LivePool, 'status' | 'setOperator'>;
  readonly peers: Pick<Peers, 'compareAll' | 'states'>;
  /** What the service goes by. */
  readonly latest: () => Topology;
  /** The service goes by this from now on, when it returns. */
  readonly take: (topology: Topology) => void;
  /** Nothing that was chosen with an earlier view of the backends is acted on any more, when it returns. */
  readonly chooseAnew: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whoever asked is told what the fronts said in so long; they are compared again and again in any case. */
const patienceMs = 3_000;
/** More than any farm that is looked after has. */
const manyFormers = 100_000;

interface Prepared {
  readonly text: string;
  readonly tag: string;
  readonly topology: Topology;
}

export function createSteer(deps: SteerDeps): Steer {
  const { file, ledger, pool, peers, clock, log } = deps;
  const secrets = createSecretFiles(deps.home);

  /** The file as it is, for this change. */
  function current({ tag }: Asked): { text: string; tag: string; topology: Topology } {
    const now = attempt(() => readTopologyText(file));
    if (tag !== null && tag !== now.tag) {
      throw new SteerError('topology-changed', `${file} has changed since it was looked at; look again.`);
    }
    const why = whyReadOnly(file);
    if (why !== null) throw readOnly(why);
    return { ...now, topology: attempt(() => parseTopology(file, now.text, deps.variables)) };
  }

  /** What the file will be; nothing is done yet. */
  function prepare(now: { text: string; tag: string }, edit: TopologyEdit): Prepared {
    const text = attempt(() => editTopology(now.text, edit));
    return { text, tag: now.tag, topology: attempt(() => parseTopology(file, text, deps.variables)) };
  }

  /** The file, then all that follows from it, in one turn: no study is placed, and no other change made, in between. */
  function put({ text, tag, topology }: Prepared): void {
    attempt(() => replaceTopologyText(file, text, tag));
    deps.take(topology);
  }

  function audit(who: string, action: string, target: string, detail: string): void {
    ledger.audit({ at: clock(), who, action, target, detail });
  }

  /** With the password in a file of its own, which is taken away again when nothing comes of it. */
  function withSecret<T>(name: string, settings: BackendSettings, run: (values: EditValues) => T): T {
    if (settings.password === undefined) {
      const done = run(settings.values);
      if (settings.values['password'] !== undefined) secrets.dropOthers(name, null);
      return done;
    }
    const kept = secrets.keep(name, settings.password);
    try {
      const done = run({ ...settings.values, password: { file: kept } });
      secrets.dropOthers(name, kept);
      return done;
    } catch (error) {
      if (!readTopologyText(file).text.includes(kept)) secrets.drop(kept);
      throw error;
    }
  }

  async function states(name: string) {
    const enough = new AbortController();
    await Promise.race([
      peers.compareAll(),
      pause(patienceMs, undefined, { signal: enough.signal }).catch(() => undefined),
    ]);
    enough.abort();
    return peers.states(name);
  }

  function indexOf(topology: Topology, name: string): number {
    const index = topology.backends.findIndex((backend) => backend.name === name);
    if (index >= 0) return index;
    const names = topology.backends.map((backend) => backend.name).join(', ');
    throw new SteerError('unknown-backend', `The topology has ${names}; not ${name}.`);
  }

  /** Why the backend cannot be taken out now; null: it can. */
  function whyBound(name: string): string | null {
    const { studies, quarantined } = ledger.unfinishedOn(name);
    const formers = ledger
      .formerCopies({}, manyFormers)
      .filter((former) => former.backend === name || former.target === name).length;
    const running = ledger
      .evacuations()
      .filter(({ state, backend, target }) => state === 'running' && (backend === name || target === name));
    const parts = [
      studies === 0
        ? null
        : `${counted(studies, 'study', 'studies')} bound to it ${studies === 1 ? 'is' : 'are'} not through yet${quarantined === 0 ? '' : ` (${quarantined} with something in quarantine)`}`,
      formers === 0
        ? null
        : `${counted(formers, 'study', 'studies')} ${formers === 1 ? 'is' : 'are'} being put together from it and another backend`,
      ...running.map(({ backend }) => `${backend} is being evacuated`),
    ].filter((part) => part !== null);
    return parts.length === 0 ? null : parts.join('; ');
  }

  return {
    topology() {
      const { text, tag } = attempt(() => readTopologyText(file));
      return {
        file,
        tag,
        text: withoutPasswords(text),
        problems: problemsOf(text),
        readOnly: whyReadOnly(file),
      };
    },

    routing() {
      const { policy, order, shadow } = deps.latest().routing;
      return { policy, order, shadow };
    },

    setRouting(set, asked) {
      const prepared = prepare(current(asked), { kind: 'routing', set });
      audit(asked.who, 'routing-set', 'routing', said(set));
      put(prepared);
    },

    async add(name, settings, asked) {
      const now = current(asked);
      if (now.topology.backends.some((backend) => backend.name === name))
        throw new SteerError('backend-exists', `The topology has a backend ${name} already.`);
      withSecret(name, settings, (values) => {
        const prepared = prepare(now, { kind: 'add', entry: { name, ...values } });
        audit(asked.who, 'backend-add', name, said(values));
        // Another one may have had this name, and have been drained before its entry was taken out by hand.
        ledger.setBackend({ backend: name, state: 'ready', weight: null }, clock());
        put(prepared);
      });
      return await states(name);
    },

    async change(name, settings, asked) {
      const now = current(asked);
      const index = indexOf(now.topology, name);
      withSecret(name, settings, (values) => {
        const prepared = prepare(now, { kind: 'change', index, set: values });
        audit(asked.who, 'backend-change', name, said(values));
        put(prepared);
      });
      return await states(name);
    },

    async remove(name, asked) {
      const now = current(asked);
      const prepared = prepare(now, { kind: 'remove', index: indexOf(now.topology, name) });
      audit(
        asked.who,
        'backend-remove',
        name,
        'in drain first; out of the topology when nothing is bound to it',
      );
      // From here on to the end nothing is awaited: what is chosen meanwhile would be bound to one that is gone.
      const wasReady = pool.status(name)?.operator === 'ready';
      if (wasReady) pool.setOperator(name, { state: 'drain' }, clock());
      deps.chooseAnew();
      const bound = whyBound(name);
      if (bound !== null) {
        throw new SteerError(
          'still-bound',
          `${name} stays in the topology: ${bound}. It takes no new studies from now on${wasReady ? ' (drain)' : ''}. Remove it again when that has ended, or move everything elsewhere first: "dde evacuate ${name}".`,
        );
      }
      put(prepared);
      // Should it come again it is a new one. To be killed before this leaves it in drain then, which anybody sees.
      ledger.setBackend({ backend: name, state: 'ready', weight: null }, clock());
      secrets.dropOthers(name, null);
      log.info('backend removed', { backend: name });
      await states(name);
    },
  };

  function problemsOf(text: string): readonly Problem[] {
    try {
      parseTopology(file, text, deps.variables);
      return [];
    } catch (error) {
      if (!(error instanceof TopologyError)) throw error;
      return error.problems;
    }
  }
}

function readOnly(why: string): SteerError {
  return new SteerError(
    'topology-read-only',
    `${why}: change it where it is kept; the service takes it over within seconds.`,
  );
}

/** What went wrong with the file, for whoever asked. */
function attempt<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof EditError)
      throw new SteerError('topology-by-hand', `Nothing was changed: ${error.message}.`);
    if (error instanceof TopologyError) {
      const says = error.problems.map(({ path, message }) => (path === '' ? message : `${path} ${message}`));
      throw new SteerError('topology-invalid', `Nothing was changed: ${says.join('; ')}.`, error.problems);
    }
    if (!(error instanceof TopologyFileError)) throw error;
    const code = error.code === 'changed' ? 'topology-changed' : 'topology-read-only';
    throw new SteerError(code, error.message);
  }
}

/** For the audit: keys with their values; of a password only where it comes from. */
function said(values: EditValues): string {
  return Object.entries(values)
    .map(([key, value]) => {
      if (value === null) return `${key} as by default`;
      if (typeof value !== 'object') return `${key} ${value}`;
      return `${key} from ${Object.keys(value).join(', ')}`;
    })
    .join(', ');
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
