import { z } from 'zod';
import { farmLines, orthancLines } from '../ledger/series.ts';
import { bytes, count, listCursor, name, time, timeQuery, uid } from './schema-parts.ts';
import { backendAnswer, frontAnswer } from './schemas.ts';
import { mostPoints, usualPoints } from './series/grid.ts';

/** What a dashboard looks at again and again. Rates are a second, on average over the last ten. */

const rate = z.number().min(0);
const amount = { instancesPerSecond: rate, bytesPerSecond: rate };

const senderAnswer = z.strictObject({
  aet: z.string(),
  station: z.string().nullable(),
  modality: z.string().nullable(),
  fronts: z.array(z.strictObject({ front: z.string(), ...amount })),
  lastSeenAt: time,
});

const farmFront = frontAnswer.extend({
  freeBytes: z.number().nullable().meta({ description: 'Free on its disks, as it last said' }),
  edges: z
    .array(z.strictObject({ backend: z.string(), ...amount }))
    .meta({ description: 'What it is sending to each backend' }),
});

const farmBackend = backendAnswer.extend({
  learnt: z
    .strictObject({
      instancesPerSecond: z.number().nullable(),
      bytesPerSecond: z.number().nullable(),
      secondsPerTransfer: z.number().nullable(),
      measured: z.boolean().meta({ description: 'False: no transfer has taught anything yet' }),
    })
    .meta({
      description: 'Its speed as its transfers have taught it, each figure as if it were the only limit',
    }),
  waiting: z.strictObject({
    studies: count,
    instances: count,
    bytes,
    oldestAgeSeconds: z.number().nullable(),
  }),
  held: z
    .string()
    .nullable()
    .meta({ description: 'Why nothing is sent to it now; null: it is being sent to' }),
  diskLimitBytes: z.number().nullable().meta({ description: 'What its images may fill; null: nobody said' }),
  rate: z.strictObject({ instances: rate, bytes: rate }),
});

export const farmAnswer = z.strictObject({
  at: time,
  version: z.string(),
  notice: z
    .string()
    .nullable()
    .meta({ description: 'That the ledger was begun anew, and why; that two backends are one Orthanc' }),
  policy: z.strictObject({ name: z.string(), order: z.string(), shadow: z.string().nullable() }),
  waiting: z.strictObject({
    instances: count,
    bytes,
    oldestAgeSeconds: z.number().nullable(),
    quarantined: count,
    unplacedStudies: count,
    settling: count,
  }),
  rates: z.strictObject({ inInstances: rate, inBytes: rate, outInstances: rate, outBytes: rate }),
  modalities: z.array(senderAnswer).meta({
    description: 'Seen in the last 15 minutes, since the service started; the last first, 50 at most',
  }),
  fronts: z.array(farmFront),
  backends: z.array(farmBackend),
});
export type FarmAnswer = z.infer<typeof farmAnswer>;

export const journalAnswer = z.strictObject({
  id: z.string(),
  at: time,
  kind: z.string(),
  studyInstanceUID: z.string().nullable(),
  backend: z
    .string()
    .nullable()
    .meta({ description: 'What it was done to, or where the study is bound now' }),
  who: z.string().nullable().meta({ description: 'Null: it happened by itself' }),
  text: z.string(),
});
export type JournalAnswer = z.infer<typeof journalAnswer>;

export const eventsQuery = z.strictObject({
  study: uid.optional(),
  backend: name.optional(),
  kind: z.string().min(1).max(64).optional(),
  limit: z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(1000))
    .optional()
    .meta({ description: '1–1000, default 100; a page may have fewer while there are more: see `next`' }),
  cursor: listCursor,
});

export const seriesQuery = z.strictObject({
  from: timeQuery.meta({ description: 'Default: an hour before `to`' }),
  to: timeQuery.meta({ description: 'Default: now. 15 minutes to a year after `from`' }),
  points: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(10).max(mostPoints))
    .optional()
    .meta({ description: `10–${mostPoints}, default ${usualPoints}: as many at most` }),
});

const line = z.array(z.number().nullable());
const linesOf = <Name extends string>(names: readonly Name[]) => z.strictObject(recordOf(names));
function recordOf<Name extends string>(names: readonly Name[]): Record<Name, typeof line> {
  return Object.fromEntries(names.map((one) => [one, line])) as Record<Name, typeof line>;
}

export const seriesAnswer = z.strictObject({
  from: time,
  to: time,
  step: z.number().meta({ description: 'Seconds from one point to the next' }),
  at: z.array(z.number()).meta({ description: 'When each interval begins: seconds since 1970' }),
  farm: linesOf(farmLines).meta({
    description:
      'A figure for each interval, null where nothing is known. Instances and bytes in and out are a second; of what waits it is the peak',
  }),
  orthancs: z.record(z.string(), linesOf(orthancLines)).meta({
    description:
      'Fronts and backends by name. `up` is a share, 0–1; `transferSeconds` the average of a transfer; `decisions` how many studies were placed there',
  }),
});
export type SeriesAnswer = z.infer<typeof seriesAnswer>;

export const timelineKinds = [
  'received',
  'decision',
  'transfer',
  'proven',
  'removed',
  'vanished',
  'quarantined',
  'event',
  'operator',
] as const;

export const timelineAnswer = z.strictObject({
  items: z.array(
    z.strictObject({
      at: time.meta({ description: 'When it began' }),
      kind: z.enum(timelineKinds),
      title: z.string(),
      detail: z.string().nullable(),
      backend: z.string().nullable(),
      front: z.string().nullable(),
      instances: count.nullable(),
      bytes: bytes.nullable(),
      seconds: z.number().nullable().meta({ description: 'How long it took; null: it was at once' }),
      decisionId: count
        .nullable()
        .meta({ description: 'Number of the decision in `/studies/{uid}/decisions`' }),
    }),
  ),
});
export type TimelineAnswer = z.infer<typeof timelineAnswer>;
