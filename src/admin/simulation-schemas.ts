import { z } from 'zod';
import { ablations } from '../decision/ablations.ts';
import { contestants, isOracle, oracles } from '../simulate/run.ts';
import { queueOrders } from '../topology/topology.ts';
import { count, time } from './schema-parts.ts';

export const scenarioAnswer = z.strictObject({
  name: z.string(),
  title: z.string(),
  description: z.string(),
  heldOut: z.boolean().meta({ description: 'Written after the policies: none of them was tuned by it' }),
});

export const simulationRequest = z
  .strictObject({
    policies: z
      .array(z.enum([...contestants, ...ablations]))
      .min(1)
      .max(20)
      .meta({
        description:
          '`oracle` knows the true speeds, `perfect-learner` all that a transfer can tell of them; neither for the last day',
      }),
    scenario: z.string().min(1).max(64).optional().meta({ description: 'A name of `/scenarios`' }),
    day: z
      .literal('last')
      .optional()
      .meta({ description: 'Instead of a scenario: what came in the last 24 hours' }),
    order: z
      .enum(queueOrders)
      .optional()
      .meta({ description: "Default: fifo; for the last day the topology's" }),
    seeds: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'How often, each time with other studies; default: what the scenario says' }),
  })
  .refine(({ scenario, day }) => (scenario === undefined) !== (day === undefined), {
    error: 'must have either scenario or day',
  })
  .refine(({ day, seeds }) => day === undefined || seeds === undefined, {
    path: ['seeds'],
    error: 'must not stand beside day: it was as it was, once',
  })
  .refine(({ day, policies }) => day === undefined || !policies.some(isOracle), {
    path: ['policies'],
    error: `must not have ${oracles.join(' or ')} beside day: nobody knows the true speeds of that day`,
  });

export const simulationParams = z.strictObject({ id: z.uuid() });

/** Seconds; null: without end, for studies were not available in the end. */
const seconds = z.number().nullable();

const curves = z.array(
  z.strictObject({
    policy: z.string(),
    quantiles: z
      .array(z.strictObject({ q: z.number(), seconds }))
      .meta({ description: 'So great a share of the studies took at most so long' }),
  }),
);

const scenarioResult = z.strictObject({
  scenario: z.string(),
  rows: z.array(
    z.strictObject({
      policy: z.string().meta({ description: '`lower bound`: what no policy can be better than' }),
      p50: seconds,
      p95: seconds,
      p99: seconds,
      max: seconds,
      makespanRatio: seconds,
      imbalance: seconds,
      splits: z.number(),
      lost: z.number(),
      retries: z.number(),
      p99Range: z.tuple([seconds, seconds]),
    }),
  ),
  curves,
});

const replayRow = z.strictObject({
  policy: z.string(),
  studies: count,
  lost: count,
  p50: seconds,
  p95: seconds,
  p99: seconds,
  max: seconds,
  makespan: seconds,
  backends: z.record(z.string(), count).meta({ description: 'Studies on each' }),
});

const replayResult = z.strictObject({
  from: time,
  to: time,
  order: z.enum(queueOrders),
  studies: count,
  images: count,
  bytes: z.number(),
  leftOut: count,
  late: count,
  was: replayRow.meta({ description: 'What really was' }),
  rows: z.array(replayRow),
  measured: z.array(
    z.strictObject({
      name: z.string(),
      transfers: count,
      law: z.strictObject({
        setupSeconds: z.number(),
        secondsPerInstance: z.number(),
        secondsPerByte: z.number(),
        contention: z.number(),
      }),
      conditions: z.array(z.strictObject({ at: z.number(), speed: z.number(), answers: z.boolean() })),
    }),
  ),
  curves,
});

export const simulationAnswer = z.strictObject({
  id: z.uuid(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  progress: z.number().min(0).max(1),
  error: z.string().nullable(),
  result: z
    .union([scenarioResult, replayResult])
    .nullable()
    .meta({ description: 'As `dde simulate --json`, or for the last day `dde replay --json`; with curves' }),
});
export type SimulationAnswer = z.infer<typeof simulationAnswer>;
export const simulationStarted = z.strictObject({ id: z.uuid() });
