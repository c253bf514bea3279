import type { PolicyName } from '../topology/topology.ts';
import { expectedCompletion } from './policies/expected-completion.ts';
import { leastInFlight } from './policies/least-in-flight.ts';
import { rendezvous } from './policies/rendezvous.ts';
import { roundRobin } from './policies/round-robin.ts';
import type { Policy } from './policy.ts';

/** Every policy by the name the topology gives it. A new policy is a new file, a name and a line here. */
export const policies: Readonly<Record<PolicyName, Policy>> = {
  'expected-completion': expectedCompletion,
  'least-in-flight': leastInFlight,
  'round-robin': roundRobin,
  rendezvous,
};

/** The policy of that name. Names were checked when the topology was read. */
export function policyNamed(name: PolicyName): Policy {
  return policies[name];
}
