import type { Learning } from '../backends/learning.ts';
import type { Poller } from '../backends/poller.ts';
import type { LivePool } from '../backends/pool-live.ts';
import type { Logger } from '../log.ts';
import type { Clients } from '../orthanc/clients.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import { changesBetween, shortened } from '../topology/changes.ts';
import type { Topology } from '../topology/topology.ts';
import type { Peers } from '../transfer/peers.ts';
import type { Twins } from '../transfer/twins.ts';
import type { FollowingFiles } from './generated-files.ts';

export interface TakeOverDeps {
  readonly topology: Topology;
  /** Absent: nobody said where they are. */
  readonly generated: FollowingFiles | null;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly clients: Clients;
  readonly learning: Pick<Learning, 'follow'>;
  readonly pool: Pick<LivePool, 'configure'>;
  readonly poller: Pick<Poller, 'follow'>;
  readonly peers: Pick<Peers, 'follow'>;
  readonly twins: Pick<Twins, 'follow'>;
  /** Backends, policy or order are others now: what waits is decided again. */
  readonly onChange: () => void;
  readonly log: Logger;
}

/** What a running service goes by. */
export interface TakeOver {
  readonly latest: Topology;
  /** Takes over what may be changed while it runs, and says what may not. @throws LedgerError, and then it may be called again */
  take(next: Topology): void;
}

/** First the files that a front reads when it starts, then the service itself, then the fronts that run. Nothing is awaited. */
export function createTakeOver(deps: TakeOverDeps): TakeOver {
  const { log } = deps;
  let latest = deps.topology;

  function follow({ backends }: Topology): void {
    deps.clients.follow(backends);
    deps.learning.follow(backends.map(({ name }) => name));
  }

  return {
    get latest() {
      return latest;
    },
    take(next) {
      const changes = shortened(changesBetween(latest, next), latest, next);
      deps.generated?.follow();
      if (changes.length === 0) return;
      try {
        follow(next);
        deps.pool.configure(next.backends);
      } catch (error) {
        // Else what is sent to one address would be asked for at another. It is a change still when this is called again.
        follow(latest);
        throw error;
      }
      latest = next;
      deps.poller.follow(new Map([...deps.fronts, ...deps.clients.map]));
      deps.peers.follow(next.backends);
      deps.twins.follow();
      const names = (isLive: boolean): string =>
        changes
          .filter((change) => change.isLive === isLive)
          .map(({ path }) => path)
          .join(', ');
      const { policy, order, shadow } = next.routing;
      if (names(true) !== '')
        log.info('topology taken over', { changed: names(true), policy, order, shadow });
      if (names(false) !== '')
        log.warn('a part of the changed topology counts from the next start on', { changed: names(false) });
      deps.onChange();
    },
  };
}
