import { createDispatcher, type Dispatcher } from '../decision/dispatcher.ts';
import { policyNamed } from '../decision/policies.ts';
import type { Policy } from '../decision/policy.ts';
import { createShadow, type Shadow } from '../decision/shadow.ts';
import { createGeneratedFiles, type TopologySource } from '../steer/generated-files.ts';
import { createTakeOver, type TakeOver } from '../steer/take-over.ts';
import type { Expected } from '../transfer/choose-anew.ts';
import type { Lanes } from '../transfer/lanes.ts';
import type { Ground } from './ground.ts';
import type { Orthancs } from './orthancs.ts';
import type { Watching } from './watching.ts';

/** Where studies go, and by which topology that is decided now. */
export interface Deciding {
  readonly current: TakeOver;
  readonly policy: () => Policy;
  readonly expected: Expected;
  readonly shadow: Shadow;
  readonly dispatcher: Dispatcher;
  /** A study has a backend now, or another one. */
  readonly onBound: (study: string, backend: string) => void;
}

/** `source`: where the topology came from; undefined: nobody can change it through the service. */
export function createDeciding(
  ground: Ground,
  { fronts, backends, clients, peers, twins }: Orthancs,
  { learning, arrivals, pool, poller }: Watching,
  lanes: Lanes,
  source: TopologySource | undefined,
): Deciding {
  const { topology, home, ledger, metrics, clock, log, onStop } = ground;
  const current = createTakeOver({
    topology,
    generated: source === undefined ? null : createGeneratedFiles(source, home, log),
    fronts,
    clients,
    learning,
    pool,
    poller,
    peers,
    twins,
    onChange: () => dispatcher.policyChanged(),
    log,
  });
  const policy = (): Policy => {
    const { policy: name, order } = current.latest.routing;
    return policyNamed(name, { order });
  };
  const expected: Expected = (study, now) => arrivals.expected(study, now);
  const onBound = (study: string, backend: string): void => {
    lanes.wake(backend);
    arrivals.bound(study, clock());
  };
  const shadow = createShadow({
    ledger,
    trial: () => {
      const { shadow: name } = current.latest.routing;
      return name === null ? null : policyNamed(name);
    },
    clock,
    log,
  });
  onStop(() => shadow.stop());
  const dispatcher = createDispatcher({
    ledger,
    pool,
    backends,
    policy: () => shadow.beside(policy()),
    expected,
    lookupTimeoutMs: topology.routing.lookupTimeoutMs,
    clock,
    log,
    metrics,
    onPlaced: onBound,
  });
  onStop(() => dispatcher.stop());
  return { current, policy, expected, shadow, dispatcher, onBound };
}
