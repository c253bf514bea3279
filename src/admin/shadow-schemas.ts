import { z } from 'zod';
import { count, limitOf, time, timeQuery } from './schema-parts.ts';

/** What the API takes and answers about a policy on trial. */

export const shadowQuery = z.strictObject({
  from: timeQuery.meta({ description: 'Default: 24 hours before `to`' }),
  to: timeQuery.meta({ description: 'Default: now' }),
  limit: limitOf(1000),
});

const share = z.number().min(0).max(1).nullable();
const meanSeconds = z.number().nullable();

/** Two policies over the same studies. */
export const comparisonAnswer = z.strictObject({
  policy: z.string(),
  shadow: z.string(),
  studies: count,
  same: count.meta({ description: 'Both chose the same backend' }),
  otherBackend: count,
  wouldWait: count.meta({ description: 'The shadow would have let it wait for a backend' }),
  failed: count.meta({ description: 'The shadow failed' }),
  agreement: share.meta({ description: '`same` as a share of `studies`, 0–1' }),
  timed: count.meta({ description: 'Studies with both times, over which the means are' }),
  seconds: meanSeconds.meta({ description: 'Expected until available where it went, by one model for both' }),
  shadowSeconds: meanSeconds.meta({ description: 'The same where the shadow would have put it' }),
  backends: z.array(
    z.strictObject({
      backend: z.string(),
      policy: count.meta({ description: 'Studies the policy gave it' }),
      shadow: count.meta({ description: 'Studies the shadow would have given it' }),
      both: count,
    }),
  ),
});
export type ComparisonAnswer = z.infer<typeof comparisonAnswer>;

export const shadowAnswer = z.strictObject({
  shadow: z.string().nullable().meta({ description: 'The policy on trial now; null: none' }),
  from: time,
  to: time,
  leftOut: count.meta({ description: 'Studies since the start that came too fast to be compared' }),
  notKept: count.meta({ description: 'Comparisons since the start that could not be kept' }),
  comparisons: z.array(comparisonAnswer),
  differing: z
    .array(
      z.strictObject({
        studyInstanceUID: z.string(),
        copy: count,
        at: time,
        policy: z.string(),
        backend: z.string(),
        seconds: meanSeconds,
        shadow: z.string(),
        shadowKind: z.enum(['place', 'wait', 'failed']),
        shadowBackend: z.string().nullable(),
        shadowSeconds: meanSeconds,
        reason: z.string().meta({ description: 'The reason of the shadow' }),
      }),
    )
    .meta({ description: 'The newest studies that would have gone elsewhere' }),
});
export type ShadowAnswer = z.infer<typeof shadowAnswer>;
