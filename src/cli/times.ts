import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../topology/units.ts';

/**
 * A time on the command line: as ISO has it (`2026-11-24T08:00:00Z`, `2026-11-24`; without a zone it is the one here), or how long ago
 * (`2h`, `30 min`, `7d`).
 *
 * @returns ms since 1970
 * @throws InvalidArgumentError
 */
export function momentOf(text: string, now = Date.now()): number {
  const ago = parseDuration(text.trim());
  if (ago !== null) return now - ago;
  // A date alone would be midnight in UTC to Date, and is midnight here to a person.
  const written = /^\d{4}-\d\d-\d\d$/.test(text.trim()) ? `${text.trim()}T00:00` : text;
  const at = /^\d{4}-/.test(written.trim()) ? Date.parse(written) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new InvalidArgumentError(
    'Write it such as 2026-11-24T08:00:00Z, or how long ago, such as 30min or 2h.',
  );
}

/** The same as the API takes it. */
export function isoOf(text: string): string {
  return new Date(momentOf(text)).toISOString();
}
