import { existsSync, renameSync } from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';

/**
 * Statements on what every version of the ledger has: a copy may be older than this release, and this comes before it is
 * brought up to date.
 */
export const restoredSql = {
  noteStudies: `
    INSERT INTO events (study, at, kind, text)
    SELECT id, @now, 'ledger-restored', 'the ledger was put back from a backup: of ' || (held + removing) ||
      ' instances that were on a front when it was made, those that still are there are delivered again from there; the others left it since'
    FROM studies WHERE held + removing > 0`,
  endTransfers: `
    UPDATE transfers SET ended_at = @now, code = 'interrupted', detail = 'the ledger was put back from a backup' WHERE ended_at IS NULL`,
  endDeliveries: `DELETE FROM deliveries`,
  /** What came to the backend since is not known any more: other content there may be a conflict, not only damage of ours. */
  notClean: `UPDATE assignments SET clean = 0 WHERE clean = 1`,
  hasClean: `SELECT 1 FROM pragma_table_info('assignments') WHERE name = 'clean'`,
  letGo: `UPDATE instances SET state = 'removed', changed_at = @now WHERE state IN ('held', 'removing')`,
} as const;

/**
 * Makes a ledger that was put back from a backup fit to go on. Since the copy was made, time has passed that it knows
 * nothing of: what was on a front then may have been delivered and removed long ago. Taken literally, each such instance would
 * be reported as deleted by somebody without a receipt. So all of them count as gone from the fronts, and those that
 * the fronts do hold are taken up from there like any other: nothing of it is believed, everything is asked of the backend first.
 *
 * Without the write-ahead log: the mark then stands in the file exactly until all of this has happened, so that a log found
 * beside a marked file is known to be another ledger's. Replaying that one would ruin this one; it is moved aside.
 *
 * @throws the errors of SQLite and of the file system as they are
 */
export function takeUpRestored(file: string, stamp: string, now: number): void {
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, `${file}.left-${stamp}${suffix}`);
  }
  const db = new BetterSqlite3(file);
  try {
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = FULL');
    db.transaction(() => {
      db.prepare(restoredSql.noteStudies).run({ now });
      db.prepare(restoredSql.endDeliveries).run();
      db.prepare(restoredSql.endTransfers).run({ now });
      db.prepare(restoredSql.letGo).run({ now });
      if (db.prepare(restoredSql.hasClean).get() !== undefined) db.prepare(restoredSql.notClean).run();
      db.pragma('application_id = 0');
    }).exclusive();
  } finally {
    db.close();
  }
}
