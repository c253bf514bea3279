import { z } from 'zod';
import { bytes, count, time } from './schema-parts.ts';

/** What the API answers about decisions: what was considered, what was predicted, and what became of it. */

const consideredAnswer = z.strictObject({
  backend: z.string(),
  score: z.number().nullable().meta({ description: 'Lower is better; null: was not eligible' }),
  passedOver: z.string().nullable().meta({ description: 'Why it was not chosen; null for the chosen one' }),
  inputs: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
});
export type ConsideredAnswer = z.infer<typeof consideredAnswer>;

export const decisionAnswer = z.strictObject({
  id: count,
  copy: count,
  epoch: count,
  at: time,
  policy: z.string(),
  kind: z.enum(['placed', 'followed', 'rebound', 'waiting']),
  backend: z.string().nullable(),
  reason: z.string(),
  considered: z.array(consideredAnswer),
});
export type DecisionAnswer = z.infer<typeof decisionAnswer>;

const seconds = z.number().nullable();

export const outcomeAnswer = z.strictObject({
  copy: count,
  epoch: count,
  backend: z.string(),
  decisionId: count,
  predicted: z
    .strictObject({ instances: count, bytes, seconds })
    .nullable()
    .meta({ description: 'What the decision reckoned with; null: the policy predicts nothing' }),
  happened: z.strictObject({
    instances: count.meta({ description: 'Received so far' }),
    bytes,
    proven: count.meta({ description: 'Of them proven on this backend' }),
    lastNewsAt: time.meta({ description: 'When the last image was announced' }),
    availableAt: time.nullable().meta({ description: 'Last receipt; null until everything is proven' }),
    seconds: seconds.meta({ description: 'From the decision until available' }),
    secondsAfterLastImage: seconds.meta({ description: 'From the last image on the front until available' }),
  }),
});
export type OutcomeAnswer = z.infer<typeof outcomeAnswer>;

export const waitAnswer = z.strictObject({
  reason: z.string(),
  since: time.meta({ description: 'Arrival of its first image' }),
  now: z
    .array(consideredAnswer)
    .nullable()
    .meta({ description: 'The backends as a decision at this moment would see them' }),
});
export type WaitAnswer = z.infer<typeof waitAnswer>;

export const decisionsAnswer = z.strictObject({
  items: z.array(decisionAnswer).meta({ description: 'Every decision, oldest first' }),
  outcomes: z
    .array(outcomeAnswer)
    .meta({ description: 'For each copy that is placed: what was predicted, and what happened' }),
  waits: waitAnswer.nullable().meta({ description: 'Why it has no backend yet; null: it has one' }),
});
export type DecisionsAnswer = z.infer<typeof decisionsAnswer>;
