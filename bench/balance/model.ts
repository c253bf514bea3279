import { policyNamed } from '../../src/decision/policies.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import { type Figures, figuresOf } from './figures.ts';
import type { LiveCase } from './live-case.ts';
import type { PolicyUnderTest } from './policy.ts';

/**
 * What the simulator makes of the very studies that are sent.
 *
 * @throws Error when one of them is not available in the end
 */
export function modelOf(
  { scenario, studies, backends }: LiveCase,
  { policy, order }: PolicyUnderTest,
): Figures {
  const result = simulate({
    arrivals: studies.map(({ arrival }) => arrival),
    backends,
    policy: policyNamed(policy, { order }),
    seed: 1,
    frontBytesPerSecond: scenario.front,
    settings: { settleSeconds },
  });
  const waits: number[] = [];
  let makespan = 0;
  for (const [index, { studyUid, lastAt, availableAt }] of result.studies.entries()) {
    if (availableAt === null) throw new Error(`${scenario.name}: the model loses ${studyUid}`);
    makespan = Math.max(makespan, availableAt);
    if (studies[index]?.isWarmUp === false) waits.push(availableAt - lastAt);
  }
  return figuresOf(waits, makespan);
}

/** How long a study has no news before the front lets go of it, in the model and in life. */
export const settleSeconds = 2;
