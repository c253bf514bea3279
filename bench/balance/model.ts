import { policyNamed } from '../../src/decision/policies.ts';
import { randomOf } from '../../src/simulate/random.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import { type Figures, figuresOf, medians } from './figures.ts';
import type { LiveCase } from './live-case.ts';
import type { PolicyUnderTest } from './policy.ts';

const times = 9;
/** Nothing happens twice at the very same moment in life. */
const jitterSeconds = 0.05;

/**
 * What the simulator makes of the very studies that are sent: medians of several times, each with studies that come some
 * milliseconds later or sooner. A single time says little: which study comes to lie behind which large one is chance, and of two
 * hundred studies the 99th percentile is the third from the end.
 *
 * @throws Error when one of them is not available in the end
 */
export function modelOf(live: LiveCase, policy: PolicyUnderTest): Figures {
  return medians(Array.from({ length: times }, (_, time) => once(live, policy, time)));
}

function once(
  { scenario, studies, backends }: LiveCase,
  { policy, order }: PolicyUnderTest,
  time: number,
): Figures {
  const random = randomOf(time, 'jitter');
  const arrivals = studies.map(({ arrival }) => ({
    ...arrival,
    at: arrival.at + jitterSeconds * random.uniform(),
  }));
  const result = simulate({
    arrivals,
    backends,
    policy: policyNamed(policy, { order }),
    seed: time,
    frontBytesPerSecond: scenario.front,
    settings: { settleSeconds: scenario.settle },
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
