import BetterSqlite3, { type Database } from 'better-sqlite3';
import { LedgerError } from './ledger.ts';
import { initial } from './migrations/0001-initial.ts';
import { failover } from './migrations/0002-failover.ts';
import { serviceModels } from './migrations/0003-service-models.ts';
import { shadow } from './migrations/0004-shadow.ts';
import { transferSeconds } from './migrations/0005-transfer-seconds.ts';
import { accounts } from './migrations/0006-accounts.ts';

/** Only ever appended to: what is published is in ledgers already, and is never changed. */
export const migrations: readonly string[] = [
  initial,
  failover,
  serviceModels,
  shadow,
  transferSeconds,
  accounts,
];

/** How many of the migrations a ledger has had; 0: it is new. @throws LedgerError `damaged`, or what SQLite says */
export function versionOf(db: Database): number {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version === 0 && schemaOf(db).length > 0) {
    throw new LedgerError('damaged', 'The ledger is damaged: it does not say its version');
  }
  return version;
}

/**
 * Brings the schema to the newest version, one transaction each, so that a death in between leaves a version that exists.
 * @throws LedgerError `newer` when the file was written by a later release: an older one would not know what its rows mean.
 */
export function migrate(db: Database, steps: readonly string[] = migrations): void {
  const version = versionOf(db);
  if (version > steps.length) {
    throw new LedgerError(
      'newer',
      `The ledger has version ${version}, this release knows ${steps.length}: start the newer release, or point to another file.`,
    );
  }
  for (const [index, step] of steps.entries()) {
    if (index < version) continue;
    db.transaction(() => {
      db.exec(step);
      db.pragma(`user_version = ${index + 1}`);
    }).exclusive();
  }
}

/** Whether the schema is the one that the migrations make. Costs some milliseconds: for when a statement did not fit. */
export function hasSchemaOf(db: Database, steps: readonly string[] = migrations): boolean {
  const model = new BetterSqlite3(':memory:');
  try {
    migrate(model, steps);
    return JSON.stringify(schemaOf(db)) === JSON.stringify(schemaOf(model));
  } finally {
    model.close();
  }
}

function schemaOf(db: Database): unknown[] {
  return db.prepare(`SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name`).all();
}
