import { z } from 'zod';
import { bytes, count, limitOf, name, time, uid } from './schema-parts.ts';

/** What the admin API takes and answers about studies on the move, backends being emptied, quarantine, and who did what. */

// ---- studies on the move

export const rebindBody = z.strictObject({
  backend: name.nullable().optional().meta({ description: 'Absent or null: the policy chooses' }),
  copy: z.int().min(0).max(15).optional().meta({ description: 'Default: 0' }),
});

export const reboundAnswer = z.strictObject({
  studyInstanceUID: z.string(),
  copy: count,
  backend: z.string(),
  epoch: count,
  assignedAt: time,
});

export const formerCopiesQuery = z.strictObject({
  study: uid.optional(),
  backend: name.optional().meta({ description: 'Where the former copy is' }),
  limit: limitOf(1000),
});

export const formerCopyAnswer = z.strictObject({
  studyInstanceUID: z.string(),
  copy: count,
  backend: z.string().meta({ description: 'Where the former copy is' }),
  target: z.string().nullable().meta({ description: 'Where the study is bound now' }),
  state: z.enum(['waiting', 'moving', 'deleting', 'conflict']),
  since: time.meta({ description: 'When the study was bound elsewhere' }),
  reason: z.string().nullable().meta({ description: 'Why it still waits; null while it is worked on' }),
  attempts: count,
});
export type FormerCopyAnswer = z.infer<typeof formerCopyAnswer>;

export const formerCopiesAnswer = z.strictObject({
  items: z.array(formerCopyAnswer),
  more: z
    .boolean()
    .meta({ description: 'There are others beyond `limit`; they come as these are worked off' }),
});

export const acceptCurrentBody = z.strictObject({
  backend: name.meta({ description: 'Where the former copy is that may be deleted' }),
});

// ---- backends being emptied

/** Slower is a slip of the keyboard: a study would take days. */
export const leastBytesPerSecond = 1000;

export const evacuationBody = z.strictObject({
  target: name.nullable().optional().meta({
    description: 'Null: the policy chooses, study by study. Absent: as a running one has it, else null',
  }),
  bytesPerSecond: z
    .int()
    .min(leastBytesPerSecond)
    .nullable()
    .optional()
    .meta({ description: 'Null: as fast as it goes. Absent: as a running one has it, else null' }),
});

export const evacuationAnswer = z.strictObject({
  backend: z.string(),
  state: z.enum(['running', 'stopped', 'done']),
  target: z.string().nullable().meta({ description: 'Null: the policy chooses, study by study' }),
  bytesPerSecond: z.number().nullable().meta({ description: 'Null: as fast as it goes' }),
  startedAt: time,
  endedAt: time.nullable(),
  studies: count.meta({ description: 'Studies found on the backend so far' }),
  moved: count.meta({ description: 'Those that are gone from it, proven elsewhere' }),
  movedInstances: count,
  movedBytes: bytes,
  waiting: z.string().nullable().meta({ description: 'What it waits for; null while it moves' }),
});
export type EvacuationAnswer = z.infer<typeof evacuationAnswer>;

// ---- quarantine

/** As Orthanc writes identifiers: five groups of eight hex digits. */
const orthancId = z
  .string()
  .regex(
    /^[\da-f]{8}(-[\da-f]{8}){4}$/,
    'must be an Orthanc identifier: five groups of eight hex digits, as the list says it',
  );

export const quarantineParams = z.strictObject({ front: name, id: orthancId });

export const quarantineActions = ['retry', 'release', 'download', 'discard'] as const;
export type QuarantineAction = (typeof quarantineActions)[number];

export const quarantineAnswer = z.strictObject({
  front: z.string(),
  orthancId: z.string(),
  studyInstanceUID: z.string(),
  sopInstanceUID: z.string(),
  code: z.enum(['conflict', 'refused', 'unreadable']),
  detail: z.string(),
  bytes,
  since: time,
  ageSeconds: z.number(),
  actions: z.array(z.enum(quarantineActions)).meta({ description: 'What a person can do about it' }),
  advice: z.string().meta({ description: 'The same in a sentence' }),
});
export type QuarantineAnswer = z.infer<typeof quarantineAnswer>;

export const retryBody = z.strictObject({
  study: uid,
  instance: orthancId.optional().meta({ description: 'Absent: every one of the study' }),
});
export const retryAnswer = z.strictObject({ retried: count });

export const releaseBody = z.strictObject({
  backend: name,
  replace: z
    .boolean()
    .optional()
    .meta({ description: 'True: other content the backend has under this identifier is deleted first' }),
});
export const releaseAnswer = z.strictObject({
  front: z.string(),
  orthancId: z.string(),
  backend: z.string(),
  md5: z.string().meta({ description: "The backend's own, equal to the front's" }),
});

export const discardBody = z.strictObject({
  confirm: z.literal(true, 'must be true: the image is deleted and cannot be had back'),
});
export const discardAnswer = z.strictObject({
  front: z.string(),
  orthancId: z.string(),
  discarded: z.literal(true),
});

// ---- who did what

export const auditAnswer = z.strictObject({
  at: time,
  who: z.string().meta({ description: 'Name of the token' }),
  action: z.string(),
  target: z.string().meta({ description: 'A study, a backend or an instance' }),
  detail: z.string(),
});
export type AuditAnswer = z.infer<typeof auditAnswer>;
