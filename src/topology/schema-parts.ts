import * as z from 'zod';
import {
  durationForm,
  durationPattern,
  parseDuration,
  parseRate,
  parseSize,
  rateForm,
  ratePattern,
  sizeForm,
  sizePattern,
} from './units.ts';

/** The kinds of values that the keys of a topology file hold; which keys there are stands in `schema.ts`. */

/** How a kind of quantity is read, said, and recognised by an editor. */
interface Kind {
  readonly parse: (text: string) => number | null;
  readonly form: string;
  readonly pattern: string;
}

const durations: Kind = { parse: parseDuration, form: durationForm, pattern: durationPattern };
const sizes: Kind = { parse: parseSize, form: sizeForm, pattern: sizePattern };
const rates: Kind = { parse: parseRate, form: rateForm, pattern: ratePattern };

/** Text that `parse` understands; otherwise the sentence says which form is right. */
function quantity({ parse, form, pattern }: Kind, range: { min: number; max: number; says: string }) {
  const written = z.string({ error: `must be ${form}` }).meta({ pattern });
  return written.transform((text, context) => {
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

export const second = 1000;
export const day = 86_400_000;

export function duration(min: number, max: number, says: string) {
  return quantity(durations, { min, max, says });
}

export function size(max = Number.MAX_SAFE_INTEGER, says = 'from 1 B up') {
  return quantity(sizes, { min: 1, max, says });
}

export function rate(max: number, says: string) {
  return quantity(rates, { min: 1, max, says });
}

/** `none`, or a limit. */
export function orNone<Output>(limit: z.ZodType<Output, string>) {
  const { pattern } = z.toJSONSchema(limit, { io: 'input' });
  const written = z
    .string({ error: 'must be none, or a limit with its unit' })
    .meta(pattern === undefined ? {} : { pattern: `^none$|${pattern}` });
  return written.transform((text, context) => {
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
export function number(schema: z.ZodNumber) {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,15}(\.\d{1,6})?$/.test(value) ? Number(value) : value),
    schema,
  );
}

export const port = number(z.int().min(1).max(65_535));

export const instanceLimit = z
  .string()
  .meta({ pattern: '^\\d+$' })
  .transform((text, context) => {
    const count = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (count >= 1) return count;
    context.addIssue({
      code: 'custom',
      message: `"${text}" is not understood: write a whole number from 1 up`,
    });
    return z.NEVER;
  });

export const namePattern = /^[a-z][a-z0-9-]{0,30}$/;

export const name = z.string().regex(namePattern, {
  error: 'must be a name of 1 to 31 small letters, digits and "-", beginning with a letter',
});

export const url = z
  .string()
  .meta({ pattern: '^https?://' })
  .transform((text, context) => {
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
      return complain(
        'must not carry a user or password: they have keys of their own, username and password',
      );
    }
    if (parsed.search !== '' || parsed.hash !== '') return complain('must end before any "?" or "#"');
    return text.replace(/\/+$/, '');
  });

/** A mistyped address may have a password in it; it must not end up in a log. */
function withoutCredentials(text: string): string {
  return text.includes('@') ? `…${text.slice(text.lastIndexOf('@'))}` : text;
}

export const aeTitle = z
  .string()
  .refine((text) => /^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(text) && text.trim() === text, {
    error: 'must be an AE title: 1 to 16 printable ASCII characters, no backslash, no space at either end',
  });

export const password = z
  .strictObject(
    {
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'must be the name of an environment variable' })
        .optional()
        .meta({ description: 'name of the variable that carries it' }),
      // It becomes a part of ${NAME:-default} in the generated files, which Orthanc, and in its image Python, replace.
      default: z
        .string()
        .regex(/^[^{}$"'\\\s]+$/, { error: 'must have no space, quote, backslash, "$", "{" or "}" in it' })
        .optional()
        .meta({ description: 'the password when that variable is not set' }),
      file: z
        .string()
        .min(1)
        .optional()
        .meta({ description: 'file whose first line is the password; instead of `env`' }),
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
