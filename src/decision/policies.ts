import type { PolicyName, QueueOrder } from '../topology/topology.ts';
import { orderNamed } from './orders.ts';
import { expectedCompletion } from './policies/expected-completion.ts';
import { fastest } from './policies/fastest.ts';
import { leastInFlight } from './policies/least-in-flight.ts';
import { peakEwma } from './policies/peak-ewma.ts';
import { powerOfTwo } from './policies/power-of-two.ts';
import { rendezvous } from './policies/rendezvous.ts';
import { roundRobin } from './policies/round-robin.ts';
import { weightedRoundRobin } from './policies/weighted-round-robin.ts';
import type { Policy } from './policy.ts';

/** Every policy by the name the topology gives it. A new policy is a new file, a name and a line here. */
export const policies: Readonly<Record<PolicyName, Policy>> = {
  'expected-completion': expectedCompletion,
  'least-in-flight': leastInFlight,
  'round-robin': roundRobin,
  'weighted-round-robin': weightedRoundRobin,
  rendezvous,
  'power-of-two': powerOfTwo,
  'peak-ewma': peakEwma,
  fastest,
};

/** The policy of that name, with its queue in that order. Names were checked when the topology was read. */
export function policyNamed(
  name: PolicyName,
  { order = 'fifo' }: { readonly order?: QueueOrder } = {},
): Policy {
  return withOrder(policies[name], order);
}

/** The same policy with its queue in another order. */
export function withOrder(policy: Policy, order: QueueOrder): Policy {
  const ordered = orderNamed(order);
  return ordered === null ? policy : { ...policy, order: ordered };
}
