import { z } from 'zod';
import { isCursor } from '../ledger/cursor.ts';

/** What the schemas of requests and answers are made of. Times are ISO 8601 in UTC, sizes bytes. */

export const time = z.iso.datetime().meta({ description: 'ISO 8601, UTC' });
export const count = z.int().min(0);
export const bytes = z.number().min(0);

/** A DICOM UID as it is really met: digits and dots by the standard, anything printable in the wild. */
export const uid = z.string().regex(/^\P{Cc}{1,128}$/u, 'must be 1–128 printable characters');
/** Name of a front or a backend; whether there is one is asked later. */
export const name = z.string().min(1).max(64);

/** Query values are text; a number must be written as one, so that `limit=` or `limit=1e9` is a mistake and not a guess. */
export const limitOf = (max: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(max))
    .optional()
    .meta({ description: `1–${max}, default 100` });
export const cursor = z
  .string()
  .min(1)
  .max(512)
  .optional()
  .meta({ description: '`next` of the page before' });
export const listCursor = z
  .string()
  .max(512)
  .refine(isCursor, 'hand back `next` of the page before, unchanged')
  .optional()
  .meta({ description: '`next` of the page before' });
export const timeQuery = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .optional();

export const pageQuery = z.strictObject({ limit: limitOf(1000), cursor: listCursor });

/** A page of a list. `next` is handed back as `cursor`; null: that was all. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next: z.string().nullable() });
}

/** A list that is always given whole. */
export function listOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item) });
}
