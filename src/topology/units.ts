/**
 * Durations, sizes and rates as people write them: a number, a unit, nothing else. A bare number is refused on purpose:
 * `settle: 60` has been read as milliseconds by one person and as minutes by another.
 */

const milliseconds: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const bytes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

export const durationForm = 'a number and one of ms, s, min, h, d, such as "60 s"';
export const sizeForm = 'a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, such as "64 MB"';
export const rateForm = 'a size and "/s", such as "1 MB/s"';

/** For editors, which can only match: as `parseQuantity` reads them. */
const amountPattern = '^\\d{1,15}(\\.\\d{1,6})? ?';
export const durationPattern = `${amountPattern}(${Object.keys(milliseconds).join('|')})$`;
export const sizePattern = `${amountPattern}(${Object.keys(bytes).join('|')})$`;
export const ratePattern = `${amountPattern}(${Object.keys(bytes).join('|')})/s$`;

/** `60 s` → 60000 (milliseconds); null when it is no duration. */
export function parseDuration(text: string): number | null {
  return parseQuantity(text, milliseconds);
}

/** `64 MB` → 64000000 (bytes; MB is 10⁶, MiB is 2²⁰); null when it is no size. */
export function parseSize(text: string): number | null {
  return parseQuantity(text, bytes);
}

/** `1 MB/s` → 1000000 (bytes per second); null when it is no rate. */
export function parseRate(text: string): number | null {
  return text.endsWith('/s') ? parseSize(text.slice(0, -2)) : null;
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(text);
  const [, amount, unit] = match ?? [];
  if (amount === undefined || unit === undefined || !Object.hasOwn(units, unit)) return null;
  const value = Math.round(Number(amount) * (units[unit] ?? Number.NaN));
  return Number.isSafeInteger(value) ? value : null;
}
