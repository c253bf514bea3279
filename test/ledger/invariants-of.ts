import type { Database } from 'better-sqlite3';
import { never } from './invariants.ts';

/** What is wrong with a ledger on the disk: {} when it is whole, and all that must hold does. */
export function invariantsOf(eye: Database): Record<string, unknown> {
  const wrong: Record<string, unknown> = {};
  const integrity = eye.pragma('integrity_check', { simple: true });
  if (integrity !== 'ok') wrong['integrity'] = integrity;
  const strays = eye.pragma('foreign_key_check');
  if (Array.isArray(strays) && strays.length > 0) wrong['foreign keys'] = strays;
  for (const [what, sql] of Object.entries(never)) {
    const rows = eye.prepare<unknown[], { n: number }>(sql).get()?.n;
    if (rows !== 0) wrong[what] = rows;
  }
  return wrong;
}
