import { hash } from 'node:crypto';

/**
 * A number in (0, 1), both ends excluded, from the first bits of SHA-256 (FIPS 180-4). SHA-256 because every platform has it
 * and another program can check the draw; the cheap string hashes (FNV, djb2) spread UIDs, which differ in few digits,
 * visibly worse, and one draw costs less than a microsecond here.
 */
export function uniform(studyUid: string, name: string): number {
  // NUL stands in neither, so no two pairs give the same text.
  const digest = hash('sha256', `${studyUid}\0${name}`, 'hex');
  // 13 hex digits are 52 bits: with the half added, that is what a double holds exactly, so 1 is never reached by rounding.
  const bits = Number.parseInt(digest.slice(0, 13), 16);
  return (bits + 0.5) / 2 ** 52;
}
