import { existsSync, rmSync } from 'node:fs';
import BetterSqlite3, { type Database } from 'better-sqlite3';
import { z } from 'zod';
import { type EpochMs, operatorStates, roles } from '../study.ts';
import { toLedgerError } from './errors.ts';
import type { Ledger } from './ledger.ts';

export const salvageSql = {
  settings: `SELECT name AS backend, state, weight FROM backends WHERE state IS NOT NULL`,
  /** Without the indexes, which may be what is damaged: the rows themselves, and each study looked up by its number. */
  formerCopies: `
    SELECT s.uid AS studyUid, f.backend, a.backend AS target FROM former_copies f NOT INDEXED
    JOIN studies s ON s.id = f.study
    JOIN assignments a ON a.study = f.study AND a.copy = f.copy AND a.ended_at IS NULL`,
  tokens: `
    SELECT name, role, hash, created_at AS createdAt, created_by AS createdBy, last_used_at AS lastUsedAt, revoked_at AS revokedAt
    FROM tokens NOT INDEXED`,
} as const;

const name = z.string().min(1).max(256);
const settingRow = z.object({
  backend: name,
  state: z.enum(operatorStates),
  weight: z.number().positive().finite().nullable(),
});
const time = z.int().min(0);
const tokenRow = z.object({
  name,
  role: z.enum(roles),
  hash: z.string().regex(/^[\da-f]{64}$/),
  createdAt: time,
  createdBy: name,
  lastUsedAt: time.nullable(),
  revokedAt: time.nullable(),
});
const formerRow = z.object({ studyUid: name, backend: name, target: name });

/** How much was taken over. */
export interface Salvaged {
  readonly settings: number;
  readonly formerCopies: number;
  readonly tokens: number;
}

/**
 * Takes over from a damaged ledger what neither fronts nor backends can tell: what operators said of backends, which
 * studies have something left on a backend where they are not bound any more, and who may use the service. What is left would stay
 * there for ever. The first two harm nothing if they are out of date: what is on a backend is compared before anything of it is
 * deleted. Of a token all that was said stands in one row, so that a revoked one stays revoked; sessions begin anew.
 *
 * Row by row, and only what makes sense: what cannot be read is left out, and never stops the service from starting. Saying
 * it again changes nothing, so a death in the middle costs a repetition.
 *
 * @throws LedgerError of the new ledger only
 */
export function salvage(damagedFile: string, ledger: Ledger, now: EpochMs): Salvaged {
  let settings = 0;
  let formerCopies = 0;
  let tokens = 0;
  // SQLite makes these to read a file, and leaves them to the next who opens it: what is set aside stays as it was found.
  const strays = ['-wal', '-shm'].map((suffix) => damagedFile + suffix).filter((file) => !existsSync(file));
  const db = openForReading(damagedFile);
  if (db === null) return { settings, formerCopies, tokens };
  try {
    for (const row of readable(db, salvageSql.settings, settingRow)) {
      ledger.setBackend(row, now);
      settings += 1;
    }
    for (const { studyUid, backend, target } of readable(db, salvageSql.formerCopies, formerRow)) {
      if (ledger.adopt(studyUid, target, now).backend === backend) continue;
      ledger.noteFormer(studyUid, backend, 'known from the damaged ledger', now);
      formerCopies += 1;
    }
    for (const { createdAt, lastUsedAt, revokedAt, ...token } of readable(db, salvageSql.tokens, tokenRow)) {
      ledger.createToken(token, createdAt);
      // Also of one that is there already: the time before may have ended between the two.
      if (revokedAt !== null) ledger.revokeToken(token.name, revokedAt);
      if (lastUsedAt !== null) ledger.noteTokenUse(token.name, lastUsedAt);
      tokens += 1;
    }
  } finally {
    db.close();
    for (const file of strays) rmSync(file, { force: true });
  }
  return { settings, formerCopies, tokens };
}

/** Null: it is no database, or none that opens. */
function openForReading(file: string): Database | null {
  try {
    return new BetterSqlite3(file, { readonly: true, fileMustExist: true });
  } catch (error) {
    return passOver(error, null);
  }
}

/** The rows before the first place that cannot be read. */
function readable<S extends z.ZodType>(db: Database, sql: string, schema: S): z.output<S>[] {
  const rows: z.output<S>[] = [];
  try {
    for (const row of db.prepare(sql).iterate()) {
      const parsed = schema.safeParse(row);
      if (parsed.success) rows.push(parsed.data);
    }
    return rows;
  } catch (error) {
    return passOver(error, rows);
  }
}

/** Only what SQLite says of the damaged file is passed over; a mistake of ours is not. */
function passOver<T>(error: unknown, otherwise: T): T {
  if (error instanceof BetterSqlite3.SqliteError) return otherwise;
  throw toLedgerError(error);
}
