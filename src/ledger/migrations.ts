import type { Database } from 'better-sqlite3';
import { LedgerError } from './ledger.ts';
import { initial } from './migrations/0001-initial.ts';
import { failover } from './migrations/0002-failover.ts';

/** Only ever appended to: what is published is in ledgers already, and is never changed. */
export const migrations: readonly string[] = [initial, failover];

/**
 * Brings the schema to the newest version, one transaction each, so that a death in between leaves a version that exists.
 * @throws LedgerError `newer` when the file was written by a later release: an older one would not know what its rows mean.
 */
export function migrate(db: Database, steps: readonly string[] = migrations): void {
  const version = Number(db.pragma('user_version', { simple: true }));
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
