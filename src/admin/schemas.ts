import { z } from 'zod';
import { isCursor } from '../ledger/cursor.ts';
import { operatorStates } from '../study.ts';

/**
 * What the admin API takes and answers, as zod schemas: requests are checked against them, answers are typed by them, tests
 * parse every answer with them, and `openapi.ts` writes the description from them. So the four cannot disagree.
 *
 * Times are ISO 8601 in UTC, sizes bytes, durations as their name says.
 */

const time = z.iso.datetime().meta({ description: 'ISO 8601, UTC' });
const count = z.int().min(0);
const bytes = z.number().min(0);

/** A DICOM UID as it is really met: digits and dots by the standard, anything printable in the wild. */
const uid = z.string().regex(/^\P{Cc}{1,128}$/u, 'must be 1–128 printable characters');

export const studyStates = ['received', 'assigned', 'sending', 'verified', 'removed', 'quarantined'] as const;
export const historyResolutions = ['raw', 'minute', 'hour'] as const;

// ---- requests

/** Query values are text; a number must be written as one, so that `limit=` or `limit=1e9` is a mistake and not a guess. */
const limitOf = (max: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(max))
    .optional()
    .meta({ description: `1–${max}, default 100` });
const cursor = z.string().min(1).max(512).optional().meta({ description: '`next` of the page before' });
const listCursor = z
  .string()
  .max(512)
  .refine(isCursor, 'hand back `next` of the page before, unchanged')
  .optional()
  .meta({ description: '`next` of the page before' });
const timeQuery = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .optional();

export const studyParams = z.strictObject({ uid });
export const backendParams = z.strictObject({ name: z.string().min(1).max(64) });

export const pageQuery = z.strictObject({ limit: limitOf(1000), cursor: listCursor });

export const studiesQuery = z.strictObject({
  backend: z.string().min(1).max(64).optional(),
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
  orthanc: z.string().min(1).max(64).optional(),
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
  front: z.string().min(1).max(64).optional().meta({ description: 'Default: the first front that answers' }),
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
  }),
  bytes,
  explorer: z.string().nullable().meta({
    description:
      'Orthanc Explorer on the backend of copy 0; on the study itself where the backend could be asked in time',
  }),
  copies: z.array(copyAnswer),
  modality: z.string().nullable(),
  station: z.string().nullable(),
  remoteAet: z.string().nullable(),
  calledAet: z.string().nullable(),
  fronts: z.array(z.string()),
  firstSeenAt: time,
  lastNewsAt: time,
});
export type StudyAnswer = z.infer<typeof studyAnswer>;

const consideredAnswer = z.strictObject({
  backend: z.string(),
  score: z.number().nullable().meta({ description: 'Lower is better; null: was not eligible' }),
  passedOver: z.string().nullable().meta({ description: 'Why it was not chosen; null for the chosen one' }),
  inputs: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
});

export const decisionAnswer = z.strictObject({
  id: count,
  copy: count,
  epoch: count,
  at: time,
  policy: z.string(),
  kind: z.enum(['placed', 'followed', 'waiting']),
  backend: z.string().nullable(),
  reason: z.string(),
  considered: z.array(consideredAnswer),
});
export type DecisionAnswer = z.infer<typeof decisionAnswer>;

export const eventAnswer = z.strictObject({ at: time, kind: z.string(), text: z.string() });

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

export const quarantineAnswer = z.strictObject({
  front: z.string(),
  orthancId: z.string(),
  studyInstanceUID: z.string(),
  sopInstanceUID: z.string(),
  code: z.enum(['conflict', 'refused', 'unreadable']),
  detail: z.string(),
  bytes,
  since: time,
});
export type QuarantineAnswer = z.infer<typeof quarantineAnswer>;

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
  decisions: z.strictObject({ placed: count, followed: count, waiting: count }),
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

/** A page of a list. `next` is handed back as `cursor`; null: that was all. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next: z.string().nullable() });
}

/** A list that is always given whole. */
export function listOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item) });
}
