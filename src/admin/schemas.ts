import { z } from 'zod';
import { operatorStates } from '../study.ts';
import { formerCopyAnswer } from './failover-schemas.ts';
import {
  bytes,
  count,
  cursor,
  limitOf,
  listCursor,
  name,
  pageOf,
  time,
  timeQuery,
  uid,
} from './schema-parts.ts';

export {
  type ConsideredAnswer,
  type DecisionAnswer,
  type DecisionsAnswer,
  decisionAnswer,
  decisionsAnswer,
  type OutcomeAnswer,
  type WaitAnswer,
} from './decision-schemas.ts';
export { type QuarantineAnswer, quarantineAnswer } from './failover-schemas.ts';
export { listOf, pageOf, pageQuery } from './schema-parts.ts';

/**
 * What the admin API takes and answers, as zod schemas: requests are checked against them, answers are typed by them, tests
 * parse every answer with them, and `openapi.ts` writes the description from them. So the four cannot disagree.
 *
 * Times are ISO 8601 in UTC, sizes bytes, durations as their name says.
 */

export const studyStates = [
  'received',
  'assigned',
  'sending',
  'verified',
  'healing',
  'removed',
  'quarantined',
] as const;
export const historyResolutions = ['raw', 'minute', 'hour'] as const;

// ---- requests

export const studyParams = z.strictObject({ uid });
export const backendParams = z.strictObject({ name });

export const studiesQuery = z.strictObject({
  uid: uid
    .optional()
    .meta({ description: 'Beginning of a StudyInstanceUID; the studies come in the order of their UIDs' }),
  accession: z
    .string()
    .regex(/^[^\p{Cc}*?\\]{1,64}$/u, 'must be 1–64 printable characters without "*", "?" and "\\"')
    .optional()
    .meta({
      description:
        'Accession number; the backends are asked for it, nothing of it is kept. Only where the topology says `accessionSearch: true`',
    }),
  backend: name.optional(),
  state: z.enum(studyStates).optional(),
  modality: z.string().min(1).max(16).optional(),
  station: z.string().min(1).max(64).optional(),
  aet: z.string().min(1).max(64).optional().meta({ description: 'AE title that sent the study' }),
  since: timeQuery,
  until: timeQuery,
  limit: limitOf(1000),
  cursor: listCursor,
});

export const historyQuery = z.strictObject({
  orthanc: name.optional(),
  from: timeQuery.meta({ description: 'Default: an hour before `to`' }),
  to: timeQuery.meta({ description: 'Default: now' }),
  resolution: z
    .enum(historyResolutions)
    .optional()
    .meta({ description: 'Default: by the length of time asked for' }),
  limit: limitOf(1000),
  cursor,
});

export const instancesQuery = z.strictObject({
  front: name.optional().meta({ description: 'Default: the first front that answers' }),
});

export const backendChange = z
  .strictObject({
    state: z.enum(operatorStates).optional(),
    weight: z
      .number()
      .min(0)
      .max(100)
      .nullable()
      .optional()
      .meta({ description: "1 = 100 %; null: the topology's" }),
  })
  .refine(
    (change) => change.state !== undefined || change.weight !== undefined,
    'name state, weight or both',
  );

// ---- answers

export const backendAnswer = z.strictObject({
  name: z.string(),
  url: z.string(),
  explorer: z.string(),
  state: z.enum(operatorStates),
  weight: z.number(),
  lanes: count,
  busyLanes: count,
  health: z.enum(['unknown', 'up', 'down']),
  healthReason: z.string().nullable(),
  healthSince: time,
  version: z.string().nullable(),
  latencyMs: z.number().nullable(),
  studiesInFlight: count,
  instancesInFlight: count,
  bytesInFlight: bytes,
  retryAt: time.nullable(),
  lastFailure: z.string().nullable(),
  outSince: time.nullable().meta({ description: 'Since when it has not been serving; null while it does' }),
  breaker: z.enum(['closed', 'open', 'half-open']).meta({
    description: '`open`: transfers failed and none is started; `half-open`: one is let through to try',
  }),
  instances: z.number().nullable(),
  diskBytes: z.number().nullable(),
});
export type BackendAnswer = z.infer<typeof backendAnswer>;

export const frontAnswer = z.strictObject({
  name: z.string(),
  url: z.string(),
  explorer: z.string(),
  health: z.enum(['unknown', 'up', 'down']),
  healthReason: z.string().nullable(),
  takesImages: z
    .boolean()
    .meta({ description: 'False: new images are refused, the modality sends again later' }),
  refusing: z.string().nullable().meta({ description: 'Why new images are refused' }),
});
export type FrontAnswer = z.infer<typeof frontAnswer>;

const copyAnswer = z.strictObject({
  copy: count,
  backend: z.string(),
  epoch: count,
  assignedAt: time,
  explorer: z.string().nullable(),
});

export const studyAnswer = z.strictObject({
  studyInstanceUID: z.string(),
  state: z.enum(studyStates),
  waiting: z.string().nullable().meta({ description: 'Why it waits; null when nothing waits' }),
  backend: z
    .string()
    .nullable()
    .meta({ description: 'Backend of copy 0; null while the study is not placed' }),
  epoch: count.nullable(),
  instances: z.strictObject({
    received: count,
    verified: count,
    removed: count,
    quarantined: count,
    vanished: count,
    discarded: count.meta({ description: 'Given up by a person; not among `removed`' }),
  }),
  bytes,
  explorer: z.string().nullable().meta({
    description:
      'Orthanc Explorer on the backend of copy 0; on the study itself where the backend could be asked in time',
  }),
  copies: z.array(copyAnswer),
  formerCopies: z
    .array(formerCopyAnswer)
    .meta({ description: 'What it left on backends it was bound to before' }),
  modality: z.string().nullable(),
  station: z.string().nullable(),
  remoteAet: z.string().nullable(),
  calledAet: z.string().nullable(),
  fronts: z.array(z.string()),
  firstSeenAt: time,
  lastNewsAt: time,
});
export type StudyAnswer = z.infer<typeof studyAnswer>;

export const studiesAnswer = pageOf(studyAnswer).extend({
  unanswered: z.array(z.string()).optional().meta({
    description:
      'Asked for an accession number only: backends that did not answer; there may be more on them',
  }),
});

export const eventAnswer = z.strictObject({ at: time, kind: z.string(), text: z.string() });
export type EventAnswer = z.infer<typeof eventAnswer>;

export const receiptAnswer = z.strictObject({
  orthancId: z.string(),
  sopInstanceUID: z.string(),
  backend: z.string(),
  copy: count,
  epoch: count,
  md5: z.string(),
  at: time,
});

export const queueAnswer = z.strictObject({
  instances: count,
  bytes,
  oldestAt: time.nullable(),
  oldestAgeSeconds: z.number().nullable(),
  quarantined: count,
  unplacedStudies: count,
  settling: count.meta({ description: 'Proven, still on a front until their study settles' }),
  formerCopies: count.meta({ description: 'What studies left on backends they were bound to before' }),
  formerConflicts: count.meta({ description: 'Those of them that a person must decide about' }),
  backends: z.array(
    z.strictObject({
      backend: z.string(),
      studies: count,
      instances: count,
      bytes,
      oldestAt: time.nullable(),
      sending: count,
      retrying: count,
      nextAttemptAt: time.nullable(),
      lastFailure: z.string().nullable(),
      held: z
        .string()
        .nullable()
        .meta({ description: 'Why nothing is sent to it now; null: it is being sent to' }),
    }),
  ),
});
export type QueueAnswer = z.infer<typeof queueAnswer>;

export const historyAnswer = z.strictObject({
  at: time,
  orthanc: z.string(),
  up: z.number().meta({ description: 'Share of samples that were up, 0–1' }),
  latencyMs: z.number().nullable(),
  jobsPending: z.number().nullable(),
  jobsRunning: z.number().nullable(),
  activeRequests: z.number().nullable(),
  instances: z.number().nullable(),
  diskBytes: z.number().nullable(),
  transfers: z.number(),
  transferredInstances: z.number(),
  transferredBytes: z.number(),
  transferSeconds: z.number(),
});
export type HistoryAnswer = z.infer<typeof historyAnswer>;

export const totalsAnswer = z.strictObject({
  received: count,
  proven: count,
  removed: count,
  vanished: count,
  decisions: z.strictObject({ placed: count, followed: count, rebound: count, waiting: count }),
});
export type TotalsAnswer = z.infer<typeof totalsAnswer>;

export const uploadAnswer = z.strictObject({
  orthancId: z.string(),
  status: z.enum(['Success', 'AlreadyStored']),
  front: z.string(),
});

export const reconcileAnswer = z.strictObject({ seconds: z.number() });

export const readyAnswer = z.strictObject({
  ready: z.boolean(),
  missing: z.array(z.string()).meta({ description: 'What is missing, one sentence each' }),
  notice: z
    .string()
    .nullable()
    .meta({ description: 'That the ledger was begun anew, and why; that two backends are one Orthanc' }),
  version: z.string(),
});

/** A problem as RFC 9457 has it. `problems` lists every mistake of a request at once. */
export const problemAnswer = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  problems: z.array(z.strictObject({ where: z.string(), detail: z.string() })).optional(),
});
