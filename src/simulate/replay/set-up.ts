import type { Ablation } from '../../decision/ablations.ts';
import type { Trace } from '../../ledger/trace.ts';
import { type PolicyName, policyNames, type Topology } from '../../topology/topology.ts';
import type { ServiceSettings } from '../simulate.ts';
import { policyOf, type SetUp } from './replay.ts';

/** What the topology has by default, for a ledger from a farm whose topology is not here. */
const usualLanes = 2;

/** The topology's and whatever else was sent to. */
export function backendsOf(
  { transfers }: Trace,
  topology: Pick<Topology, 'backends'> | null,
): readonly SetUp[] {
  const known = (topology?.backends ?? []).map(({ name, lanes, weight }) => ({ name, lanes, weight }));
  const names = new Set(known.map(({ name }) => name));
  const others = [...new Set(transfers.map(({ backend }) => backend))].filter((name) => !names.has(name));
  // A topology of another farm: its backends were never sent to, and would be taken for idle ones.
  const used = known.filter(({ name }) => transfers.some(({ backend }) => backend === name));
  const own = used.length > 0 || others.length === 0 ? known : [];
  return [...own, ...others.toSorted().map((name) => ({ name, lanes: usualLanes, weight: 1 }))];
}

/** What of the topology a replay goes by. */
export function settingsOf({ routing }: Pick<Topology, 'routing'>): Partial<ServiceSettings> {
  const { batch, settleMs, stallMs, rebindAfterMs, transferTimeout } = routing;
  return {
    chunk: batch,
    gatherSeconds: batch.gatherMs / 1000,
    settleSeconds: settleMs / 1000,
    stallSeconds: stallMs / 1000,
    rebindAfterSeconds: rebindAfterMs === null ? Number.POSITIVE_INFINITY : rebindAfterMs / 1000,
    timeout: { baseSeconds: transferTimeout.baseMs / 1000, bytesPerSecond: transferTimeout.bytesPerSecond },
  };
}

/** The policy of that time comes first: it shows how well the replay meets what was. */
export function policiesFor(
  { studies }: Trace,
  asked: readonly (PolicyName | Ablation)[],
): readonly (PolicyName | Ablation)[] {
  const was = policyNames.find((name) => name === policyOf(studies));
  return [...new Set([...(was === undefined ? [] : [was]), ...asked])];
}
