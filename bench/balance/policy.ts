import { type PolicyName, policyNames, type QueueOrder, queueOrders } from '../../src/topology/topology.ts';

/** A policy with the order of its queue, written `NAME` or `NAME:ORDER`. */
export interface PolicyUnderTest {
  readonly label: string;
  readonly policy: PolicyName;
  readonly order: QueueOrder;
}

/** @throws Error in a sentence when there is no such policy or order */
export function parsePolicy(label: string): PolicyUnderTest {
  const [name, orderName = 'fifo', ...more] = label.split(':');
  const policy = policyNames.find((one) => one === name);
  const order = queueOrders.find((one) => one === orderName);
  if (policy === undefined)
    throw new Error(`there is no policy ${name}: take one of ${policyNames.join(', ')}`);
  if (order === undefined || more.length > 0)
    throw new Error(`there is no order ${orderName}: take one of ${queueOrders.join(', ')}`);
  return { label, policy, order };
}
