import * as z from 'zod';
import { durationForm, parseDuration, parseRate, parseSize, rateForm, sizeForm } from '../topology/units.ts';

/**
 * What may stand in a scenario file, and its defaults. Durations come out as seconds, sizes as bytes.
 */

function quantity(parse: (text: string) => number | null, form: string) {
  return z.string({ error: `must be ${form}` }).transform((text, context) => {
    const value = parse(text.trim());
    if (value !== null) return value;
    context.addIssue({ code: 'custom', message: `"${text}" is not understood: write ${form}` });
    return z.NEVER;
  });
}

const duration = quantity((text) => {
  const ms = parseDuration(text);
  return ms === null ? null : ms / 1000;
}, durationForm);
const longerThanNothing = duration.refine((seconds) => seconds > 0, { error: 'must be longer than nothing' });
const size = quantity(parseSize, sizeForm).refine((bytes) => bytes > 0, {
  error: 'must be more than nothing',
});
const rate = quantity(parseRate, rateForm).refine((bytes) => bytes > 0, {
  error: 'must be more than nothing',
});
const count = z.int().min(1).max(100_000);
const factor = z.number().min(0).max(100);

function spread<Input>(value: z.ZodType<number, Input>) {
  return z.strictObject({ median: value, p99: value }).refine(({ median, p99 }) => p99 >= median, {
    error: 'p99 must not be less than the median',
  });
}

const kind = z.strictObject({
  modality: z.string().min(1).max(16),
  share: z.number().gt(0),
  instances: spread(z.number().min(1).max(100_000)),
  size: spread(size),
  /** Images a second while a study is being sent. */
  pace: z.number().gt(0).max(10_000),
  stations: z.int().min(1).max(1_000).default(1),
});

/** Shares after counts of a national health service; spreads partly assumed. */
const usualStudies = [
  {
    modality: 'CR',
    share: 49,
    instances: { median: 2, p99: 6 },
    size: { median: '16 MB', p99: '48 MB' },
    pace: 0.5,
    stations: 8,
  },
  {
    modality: 'US',
    share: 23,
    instances: { median: 30, p99: 200 },
    size: { median: '36 MB', p99: '425 MB' },
    pace: 2,
    stations: 6,
  },
  {
    modality: 'CT',
    share: 12,
    instances: { median: 352, p99: 2565 },
    size: { median: '187 MB', p99: '1359 MB' },
    pace: 20,
    stations: 3,
  },
  {
    modality: 'MR',
    share: 6,
    instances: { median: 302, p99: 1500 },
    size: { median: '67 MB', p99: '526 MB' },
    pace: 15,
    stations: 3,
  },
  {
    modality: 'XA',
    share: 3,
    instances: { median: 8, p99: 60 },
    size: { median: '122 MB', p99: '1638 MB' },
    pace: 0.5,
    stations: 2,
  },
  {
    modality: 'MG',
    share: 5,
    instances: { median: 4, p99: 12 },
    size: { median: '134 MB', p99: '498 MB' },
    pace: 0.3,
    stations: 3,
  },
  {
    modality: 'NM',
    share: 0.9,
    instances: { median: 6, p99: 30 },
    size: { median: '5 MB', p99: '51 MB' },
    pace: 1,
    stations: 1,
  },
  {
    modality: 'PT',
    share: 0.5,
    instances: { median: 905, p99: 2000 },
    size: { median: '272 MB', p99: '712 MB' },
    pace: 20,
    stations: 1,
  },
];

const arrivals = z
  .strictObject({
    /** Work that comes against what all backends can do together, from 0; above 1 it cannot be done. */
    load: z.number().min(0).max(20).optional(),
    perHour: z.number().min(0).max(1_000_000).optional(),
    /** Images a second while a study is being sent, whatever its modality: for what a machine sends that has all of it. */
    pace: z.number().gt(0).max(100_000).optional(),
    rhythm: z.array(z.number().min(0).max(100)).max(1_000).default([]),
    crowds: z
      .array(z.strictObject({ at: duration, for: longerThanNothing, factor: z.number().gt(0).max(100) }))
      .default([]),
    bursts: z
      .strictObject({ every: longerThanNothing, studies: count, within: duration.prefault('10 s') })
      .optional(),
    batch: z
      .strictObject({ at: duration.prefault('0 s'), studies: count, within: duration.prefault('10 s') })
      .optional(),
  })
  .refine(({ load, perHour }) => load === undefined || perHour === undefined, {
    error: 'has both load and perHour: one of them says how much comes',
  })
  .refine(
    ({ load, perHour, bursts, batch }) => [load, perHour, bursts, batch].some((one) => one !== undefined),
    { error: 'says not how much comes: give load, perHour, bursts or batch' },
  );

const name = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, {
  error: 'must begin with a small letter and have only small letters, digits and -',
});

const group = z.strictObject({
  name,
  /** More than one: they are called name1, name2, … */
  count: count.max(10_000).default(1),
  perInstance: duration.prefault('15 ms'),
  rate: rate.prefault('30 MB/s'),
  /** Of 100 backends of the group one is so much faster than the middle one, and one so much slower. */
  spread: z.number().min(1).max(100).default(1),
  lanes: z.int().min(1).max(64).default(2),
  weight: z.number().gt(0).max(1_000).default(1),
  setup: duration.prefault('15 ms'),
  contention: z.number().min(0).max(2).default(0.35),
  otherLoad: z
    .strictObject({
      mean: z.number().min(0).max(0.9),
      swing: z.number().min(0).max(0.9),
      every: longerThanNothing,
    })
    .nullable()
    .prefault({ mean: 0.1, swing: 0.1, every: '30 s' }),
  hiccups: z
    .strictObject({ every: longerThanNothing, length: spread(longerThanNothing) })
    .nullable()
    .prefault({ every: '90 s', length: { median: '400 ms', p99: '4 s' } }),
});

const of = z.array(z.string(), { error: 'must be a list of backends' }).min(1);

const event = z.discriminatedUnion(
  'what',
  [
    z.strictObject({ what: z.literal('slow'), at: duration, of, factor }),
    z.strictObject({ what: z.literal('stall'), at: duration, of }),
    z.strictObject({ what: z.literal('crash'), at: duration, of }),
    z.strictObject({ what: z.literal('recover'), at: duration, of }),
    /** So many at a time are slow, others every so often. */
    z.strictObject({
      what: z.literal('rotate'),
      at: duration.prefault('0 s'),
      until: duration.optional(),
      of: of.optional(),
      every: longerThanNothing,
      count,
      factor,
    }),
    z.strictObject({ what: z.literal('drain'), at: duration, of }),
    z.strictObject({ what: z.literal('maint'), at: duration, of }),
    z.strictObject({ what: z.literal('ready'), at: duration, of }),
    z.strictObject({ what: z.literal('weigh'), at: duration, of, weight: z.number().min(0).max(1_000) }),
  ],
  { error: 'must have what: slow, stall, crash, recover, rotate, drain, maint, ready or weigh' },
);

export const scenarioSchema = z.strictObject({
  /** In a sentence. */
  about: z.string().min(1),
  /** Nothing of the policies was chosen by looking at it. */
  heldOut: z.boolean().default(false),
  duration: longerThanNothing.prefault('1 h'),
  /** Studies of the beginning, while speeds and sizes are being learnt, are not in the figures. */
  warmUp: duration.prefault('0 s'),
  /** What is not available so long after the end of the duration counts as lost. */
  patience: longerThanNothing.prefault('1 d'),
  /** No news of a study for so long: it is over, and its size is learnt; the topology's key of this name. */
  settle: longerThanNothing.prefault('60 s'),
  seeds: z.int().min(1).max(1_000).default(5),
  /** What all transfers share. */
  front: rate.prefault('1.2 GB/s'),
  studies: z.array(kind).min(1).prefault(usualStudies),
  arrivals,
  backends: z.array(group).min(1),
  events: z.array(event).default([]),
});

export type ScenarioDocument = z.infer<typeof scenarioSchema>;
