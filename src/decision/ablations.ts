import type { QueueOrder } from '../topology/topology.ts';
import { type ExpectedCompletionOptions, expectedCompletionWith } from './policies/expected-completion.ts';
import { withOrder } from './policies.ts';
import type { Policy } from './policy.ts';

/** Each part of `expected-completion`, switched off: what it is good for is what is lost without it. */
const changes = {
  'no-late-binding': { lateBinding: false },
  'no-prediction': { size: 'arrived' },
  'no-efficiency': { efficiency: false },
  'no-shared-learning': { kin: false },
  'no-booked-time': { booked: false },
  'one-parameter': { oneParameter: true },
  'no-exploration': { exploration: false },
  'no-virtual-places': { virtualPlaces: false },
  // Once as late as the best one, and no later.
  'no-hysteresis': { hysteresis: 1 },
} as const satisfies Readonly<Record<string, Partial<ExpectedCompletionOptions>>>;

export type Part = keyof typeof changes;
/** As a person writes it: the policy, a colon, and what is left out of it. */
export type Ablation = `expected-completion:${Part}`;

const ofPart = new Map<Ablation, Part>(
  Object.keys(changes)
    .filter((key): key is Part => Object.hasOwn(changes, key))
    .map((part) => [`expected-completion:${part}`, part]),
);

/**
 * For simulations and for looking back. No topology may name one: each is worse than the whole somewhere, and none was ever
 * meant to carry images.
 */
export const ablations: readonly Ablation[] = [...ofPart.keys()];

export function isAblation(name: string): name is Ablation {
  return ablations.some((one) => one === name);
}

/** `expected-completion` without that part, under its own name, with its queue in that order. */
export function ablationNamed(
  name: Ablation,
  { order = 'fifo' }: { readonly order?: QueueOrder } = {},
): Policy {
  const part = ofPart.get(name);
  if (part === undefined) throw new RangeError(`there is no ablation ${name}`);
  return withOrder({ ...expectedCompletionWith(changes[part]), name }, order);
}
