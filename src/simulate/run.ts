import { type Ablation, ablationNamed, isAblation } from '../decision/ablations.ts';
import { policyNamed } from '../decision/policies.ts';
import type { Policy } from '../decision/policy.ts';
import type { QueueOrder } from '../topology/topology.ts';
import { policyNames } from '../topology/topology.ts';
import { lowerBound } from './bound.ts';
import { buildCase } from './build.ts';
import { type Curve, curveOf } from './curves.ts';
import { type Figures, figuresOf, figuresOfBound, meanFigures, timesOf, timesOfBound } from './figures.ts';
import type { Scenario } from './scenario.ts';
import { type Simulation, simulate, usualSettings } from './simulate.ts';

/**
 * The service's default policy when it is told more of the backends' speeds than anybody can know: what they are, or all that the last transfer
 * that ended there could have told.
 */
export const oracles = ['oracle', 'perfect-learner'] as const;
export type Oracle = (typeof oracles)[number];

/** What can be asked for by name. */
export const contestants = [...policyNames, ...oracles] as const;
export type Contestant = (typeof contestants)[number] | Ablation;

/** The averages over the seeds. */
export interface Row extends Figures {
  readonly policy: Contestant | 'lower bound';
  /** The 99th percentile of the best seed and of the worst. */
  readonly p99Range: readonly [number, number];
}

export interface Report {
  readonly scenario: string;
  readonly rows: readonly Row[];
  /** Over the studies of all seeds together; present when it was asked for. */
  readonly curves?: readonly Curve[];
}

export interface RunOptions {
  readonly policies: readonly Contestant[];
  readonly order: QueueOrder;
  /** Seeds 1 to this one. */
  readonly seeds: number;
  /** Whether the times of all studies are wanted too, to be drawn. */
  readonly curves?: boolean;
  /** Called after each simulation, and awaited: whoever shows progress has a chance to. */
  readonly onStep?: () => Promise<void>;
}

/** One scenario under each of the policies, with the same studies, speeds and troubles for all of them. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Report> {
  const { policies, order, seeds } = options;
  const found = new Map<Row['policy'], Figures[]>(
    [...policies, 'lower bound' as const].map((one) => [one, []]),
  );
  const times = new Map<Row['policy'], number[]>([...found.keys()].map((one) => [one, []]));
  const draw = (policy: Row['policy'], more: readonly number[]): void => {
    if (options.curves === true) for (const time of more) times.get(policy)?.push(time);
  };
  for (let seed = 1; seed <= seeds; seed++) {
    const { arrivals, backends, operator, until } = buildCase(scenario, seed);
    const { front: frontBytesPerSecond, warmUp, settle: settleSeconds } = scenario;
    const bound = lowerBound(arrivals, backends, { chunk: usualSettings.chunk, frontBytesPerSecond });
    const firstAts = arrivals.map(({ at }) => at);
    found.get('lower bound')?.push(figuresOfBound(bound, firstAts, warmUp));
    draw('lower bound', timesOfBound(bound, firstAts, warmUp));
    for (const policy of policies) {
      const result = simulate({
        arrivals,
        backends,
        operator,
        until,
        seed,
        frontBytesPerSecond,
        settings: { settleSeconds },
        policy: policyOf(policy, order),
        speeds: speedsFor(policy),
      });
      found.get(policy)?.push(figuresOf(result, bound, warmUp));
      draw(policy, timesOf(result, warmUp));
      await options.onStep?.();
    }
  }
  return {
    scenario: scenario.name,
    rows: [...found].map(([policy, figures]) => {
      const p99s = figures.map(({ p99 }) => p99);
      return { policy, ...meanFigures(figures), p99Range: [Math.min(...p99s), Math.max(...p99s)] };
    }),
    ...(options.curves === true ? { curves: [...times].map(([policy, all]) => curveOf(policy, all)) } : {}),
  };
}

export function isOracle(name: string): name is Oracle {
  return oracles.some((one) => one === name);
}

function speedsFor(name: Contestant): NonNullable<Simulation['speeds']> {
  if (name === 'oracle') return 'true';
  return name === 'perfect-learner' ? 'perfectly-learnt' : 'learnt';
}

function policyOf(name: Contestant, order: QueueOrder): Policy {
  if (isAblation(name)) return ablationNamed(name, { order });
  return policyNamed(isOracle(name) ? 'expected-completion' : name, { order });
}
