import cron from 'node-cron';
import * as z from 'zod';
import { conflictPolicies } from '../study.ts';
import { policyNames, queueOrders } from './topology.ts';
import { durationForm, parseDuration, parseRate, parseSize, rateForm, sizeForm } from './units.ts';

/**
 * What may stand in a topology file, and its defaults. A default is written as a person would write it (`60 s`), so that
 * the reference in docs/topology.md can be held against this schema. What concerns more than one key is in `checks.ts`.
 */

/** Text that `parse` understands; otherwise the sentence says which form is right. */
function quantity(
  parse: (text: string) => number | null,
  form: string,
  range: { min: number; max: number; says: string },
) {
  return z.string({ error: `must be ${form}` }).transform((text, context) => {
    const value = parse(text.trim());
    if (value === null) {
      context.addIssue({ code: 'custom', message: `"${text}" is not understood: write ${form}` });
      return z.NEVER;
    }
    if (value < range.min || value > range.max) {
      context.addIssue({ code: 'custom', message: `${text} is out of range: ${range.says}` });
      return z.NEVER;
    }
    return value;
  });
}

const second = 1000;
const day = 86_400_000;

function duration(min: number, max: number, says: string) {
  return quantity(parseDuration, durationForm, { min, max, says });
}

/** `none`, or a limit. */
function orNone<Output>(limit: z.ZodType<Output, string>) {
  return z.string({ error: 'must be none, or a limit with its unit' }).transform((text, context) => {
    if (text.trim() === 'none') return null;
    const result = limit.safeParse(text);
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      context.addIssue({ code: 'custom', message: `${issue.message}, or none` });
    }
    return z.NEVER;
  });
}

/** A number, also as text: `${PORT:-3000}` is text to YAML. */
function number(schema: z.ZodNumber) {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,15}(\.\d{1,6})?$/.test(value) ? Number(value) : value),
    schema,
  );
}

const port = number(z.int().min(1).max(65_535));

const instanceLimit = z.string().transform((text, context) => {
  const count = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (count >= 1) return count;
  context.addIssue({
    code: 'custom',
    message: `"${text}" is not understood: write a whole number from 1 up`,
  });
  return z.NEVER;
});

export const namePattern = /^[a-z][a-z0-9-]{0,30}$/;

const name = z.string().regex(namePattern, {
  error: 'must be a name of 1 to 31 small letters, digits and "-", beginning with a letter',
});

const url = z.string().transform((text, context) => {
  const complain = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const parsed = URL.canParse(text) ? new URL(text) : null;
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    return complain(
      `"${withoutCredentials(text)}" is no address: write http:// or https://, a host, and a port where it is not the usual one`,
    );
  }
  if (/[{}$"'\\\s<>]/.test(text))
    return complain('must have no space, quote, backslash, "$", "<", ">", "{" or "}" in it');
  if (parsed.username !== '' || parsed.password !== '') {
    return complain('must not carry a user or password: they have keys of their own, username and password');
  }
  if (parsed.search !== '' || parsed.hash !== '') return complain('must end before any "?" or "#"');
  return text.replace(/\/+$/, '');
});

/** A mistyped address may have a password in it; it must not end up in a log. */
function withoutCredentials(text: string): string {
  return text.includes('@') ? `…${text.slice(text.lastIndexOf('@'))}` : text;
}

const aeTitle = z
  .string()
  .refine((text) => /^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(text) && text.trim() === text, {
    error: 'must be an AE title: 1 to 16 printable ASCII characters, no backslash, no space at either end',
  });

const password = z
  .strictObject(
    {
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'must be the name of an environment variable' })
        .optional(),
      // It becomes a part of ${NAME:-default} in the generated files, which Orthanc, and in its image Python, replace.
      default: z
        .string()
        .regex(/^[^{}$"'\\\s]+$/, { error: 'must have no space, quote, backslash, "$", "{" or "}" in it' })
        .optional(),
      file: z.string().min(1).optional(),
    },
    {
      error: (issue) =>
        issue.code === 'invalid_type'
          ? 'must be { env: NAME }, { env: NAME, default: TEXT } or { file: PATH }'
          : undefined,
    },
  )
  .refine((value) => (value.env === undefined) !== (value.file === undefined), {
    error: 'must have either env or file: { env: NAME }, { env: NAME, default: TEXT } or { file: PATH }',
  })
  .refine((value) => value.default === undefined || value.env !== undefined, {
    error: 'must not have a default beside file: the file is the password',
  });

const run = z
  .strictObject({
    httpPort: port,
    dicomPort: port,
    aeTitle,
  })
  .optional();

const orthanc = {
  name,
  url,
  publicUrl: url.optional(),
  username: z
    .string()
    .regex(/^[^:\s]{1,64}$/, { error: 'must be a user name of 1 to 64 characters without space and ":"' })
    .prefault('orthanc'),
  password,
  run,
};

const front = z.strictObject({
  ...orthanc,
  associations: number(z.int().min(1).max(1000)).prefault(16),
});

const backend = z.strictObject({
  ...orthanc,
  peerUrl: url.optional(),
  weight: number(z.number().min(0).max(1000)).prefault(1),
  lanes: number(z.int().min(1).max(64)).prefault(2),
  disk: quantity(parseSize, sizeForm, {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    says: 'from 1 B up',
  }).optional(),
});

/** It is written into the generated configurations, in which Orthanc replaces variables. */
const filePath = z.string().regex(/^\/[^{}$"'\\\n]*$/, {
  error: 'must be the absolute path of a file, with no quote, backslash, "$", "{" or "}" in it',
});

const service = z.strictObject({
  listen: z
    .string()
    .regex(/^[0-9A-Za-z.:_-]{1,253}$/, { error: 'must be an IP address or a host name' })
    .prefault('127.0.0.1'),
  /** 0: one that is free. */
  port: number(z.int().min(0).max(65_535)).prefault(3000),
  url: url.prefault('http://127.0.0.1:3000'),
  tls: z.strictObject({ certificate: filePath, key: filePath, ca: filePath.optional() }).optional(),
});

const admission = z.strictObject({
  maxSize: orNone(
    quantity(parseSize, sizeForm, { min: 1, max: Number.MAX_SAFE_INTEGER, says: 'from 1 B up' }),
  ).prefault('none'),
  maxInstances: z
    .preprocess((value) => (typeof value === 'number' ? String(value) : value), orNone(instanceLimit))
    .prefault('none'),
  maxAge: orNone(duration(second, 365 * day, 'from 1 s to 365 d')).prefault('none'),
  minFree: orNone(
    quantity(parseSize, sizeForm, { min: 1, max: Number.MAX_SAFE_INTEGER, says: 'from 1 B up' }),
  ).prefault('1 GB'),
  resume: number(z.number().gt(0).lt(1)).prefault(0.8),
});

const routing = z.strictObject({
  policy: z.enum(policyNames).prefault('expected-completion'),
  order: z.enum(queueOrders).prefault('fifo'),
  shadow: z.enum(['none', ...policyNames]).prefault('none'),
  settle: duration(0, 7 * day, 'from 0 s to 7 d').prefault('60 s'),
  batch: z
    .strictObject({
      instances: number(z.int().min(1).max(1000)).prefault(50),
      size: quantity(parseSize, sizeForm, { min: 1, max: 1e12, says: 'from 1 B to 1 TB' }).prefault('64 MB'),
      gather: duration(0, 60 * second, 'from 0 s to 60 s').prefault('80 ms'),
    })
    .prefault({}),
  conflict: z.enum(conflictPolicies).prefault('quarantine'),
  lookupTimeout: duration(10, 60 * second, 'from 10 ms to 60 s').prefault('2 s'),
  requestTimeout: duration(100, 3600 * second, 'from 100 ms to 1 h').prefault('10 s'),
  transferTimeout: z
    .strictObject({
      base: duration(second, 3600 * second, 'from 1 s to 1 h').prefault('60 s'),
      rate: quantity(parseRate, rateForm, { min: 1, max: 1e12, says: 'from 1 B/s to 1 TB/s' }).prefault(
        '1 MB/s',
      ),
    })
    .prefault({}),
  rebindAfter: orNone(duration(second, 365 * day, 'from 1 s to 365 d')).prefault('30 s'),
  healAfter: orNone(duration(second, 365 * day, 'from 1 s to 365 d')).prefault('10 min'),
  stall: duration(second, 3600 * second, 'from 1 s to 1 h').prefault('15 s'),
  reconcile: z
    .string()
    .refine((text) => text.trim().split(/\s+/).length === 6 && cron.validate(text.trim()), {
      error:
        'must be a cron expression of six fields, seconds first, such as "*/5 * * * * *" for every five seconds',
    })
    .prefault('*/5 * * * * *'),
  admission: admission.prefault({}),
});

const history = z
  .strictObject({
    sample: duration(100, 3600 * second, 'from 100 ms to 1 h').prefault('5 s'),
    downAfter: number(z.int().min(1).max(100)).prefault(2),
    keepRaw: duration(60 * second, 3650 * day, 'from 1 min to 3650 d').prefault('24 h'),
    keepMinutes: duration(60 * second, 3650 * day, 'from 1 min to 3650 d').prefault('30 d'),
    keepHours: duration(60 * second, 3650 * day, 'from 1 min to 3650 d').prefault('365 d'),
  })
  .refine((kept) => kept.keepRaw <= kept.keepMinutes && kept.keepMinutes <= kept.keepHours, {
    error: 'must keep coarse figures at least as long as fine ones: keepRaw ≤ keepMinutes ≤ keepHours',
  });

export const topologySchema = z.strictObject({
  service: service.prefault({}),
  fronts: z.array(front).min(1),
  backends: z.array(backend).min(1),
  routing: routing.prefault({}),
  history: history.prefault({}),
});

/** The document after zod: units are numbers, defaults are in; passwords are still where to find them. */
export type TopologyDocument = z.output<typeof topologySchema>;
export type PasswordSource = TopologyDocument['fronts'][number]['password'];

/** A sentence for each mistake that a schema above does not word itself. */
export function sentence(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined)
        return `is missing: it must be ${nouns[issue.expected] ?? issue.expected}`;
      return `must be ${nouns[issue.expected] ?? issue.expected}, not ${shown(issue.input)}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(', ')}, not ${shown(issue.input)}`;
    case 'too_small':
      if (issue.origin === 'array') return 'must have at least one entry';
      if (issue.origin === 'string') return 'must not be empty';
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}, not ${shown(issue.input)}`;
    case 'too_big':
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}, not ${shown(issue.input)}`;
    default:
      return undefined;
  }
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text (in quotes where it looks like a number)',
  number: 'a number',
  int: 'a whole number',
  array: 'a list, each entry beginning with "-"',
  object: 'keys and values',
};

function shown(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'keys and values';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `"${text.length > 60 ? `${text.slice(0, 60)}…` : text}"`;
}
