import type { BackendLedger } from '../ledger/ledger.ts';
import type { Clock, EpochMs } from '../study.ts';
import type { BackendConfig } from '../topology/topology.ts';
import { forgetWhatItWas, type Member, newMember } from './member.ts';

/** Who is in the pool. */
export interface Roster {
  /** In the order of the topology; always the same map. */
  readonly members: ReadonlyMap<string, Member>;
  /** Also one that left. @throws RangeError for a name that was never there */
  readonly member: (name: string) => Member;
  /** Null: it is there, or never was. */
  leftAt(name: string): EpochMs | null;
  /** See `LivePool.configure`. Returns the names of those that came, left or have other settings. */
  follow(backends: readonly BackendConfig[]): ReadonlySet<string>;
}

/** @throws LedgerError when what operators have set cannot be read */
export function createRoster(
  backends: readonly BackendConfig[],
  ledger: Pick<BackendLedger, 'backendSettings'>,
  clock: Clock,
): Roster {
  const members = new Map<string, Member>();
  /** Those that left the topology: lanes of theirs may be busy still, also when they come again. */
  const left = new Map<string, { readonly one: Member; readonly at: EpochMs }>();
  follow(backends);

  function follow(wanted: readonly BackendConfig[]): ReadonlySet<string> {
    const now = clock();
    // What operators said of those that come. First: the ledger may fail, and then nothing must have been changed.
    const isNew = wanted.some(({ name }) => !members.has(name));
    const said = new Map((isNew ? ledger.backendSettings() : []).map((one) => [one.backend, one]));
    const before = new Map(members);
    const changed = new Set<string>();
    members.clear();
    for (const config of wanted) {
      const { name } = config;
      const known = before.get(name);
      const one = known ?? comeBack(newMember(config, said.get(name), now));
      members.set(name, one);
      if (known === undefined || !isSameConfig(known.config, config)) changed.add(name);
      if (known !== undefined && known.config.url !== config.url) forgetWhatItWas(one, now);
      one.config = config;
    }
    for (const [name, one] of before) {
      if (members.has(name)) continue;
      forgetWhatItWas(one, now);
      left.set(name, { one, at: now });
      changed.add(name);
    }
    return changed;
  }

  /** Transfers that were begun before one left end with the one that came again under its name. */
  function comeBack(fresh: Member): Member {
    const { name } = fresh.config;
    const known = left.get(name)?.one;
    left.delete(name);
    return known === undefined ? fresh : { ...fresh, busyLanes: known.busyLanes, underWay: known.underWay };
  }

  return {
    members,
    member(name) {
      const found = members.get(name) ?? left.get(name)?.one;
      if (found === undefined) throw new RangeError(`there is no backend ${name} in the topology`);
      return found;
    },
    leftAt: (name) => left.get(name)?.at ?? null,
    follow,
  };
}

function isSameConfig(one: BackendConfig, other: BackendConfig): boolean {
  return (
    one.url === other.url &&
    one.publicUrl === other.publicUrl &&
    one.username === other.username &&
    one.password === other.password &&
    one.weight === other.weight &&
    one.lanes === other.lanes &&
    (one.disk ?? null) === (other.disk ?? null)
  );
}
