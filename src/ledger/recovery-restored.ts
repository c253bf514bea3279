import { existsSync, renameSync } from 'node:fs';
import { basename } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { auditSql } from './audit.ts';

/**
 * Statements on what every version of the ledger has: a copy may be older than this release, and this comes before it is
 * brought up to date.
 */
export const restoredSql = {
  /** On a front when the copy was made, and not proven for each copy of the study. */
  find: `
    CREATE TEMP TABLE forgotten AS SELECT i.id, i.study FROM instances i
    WHERE i.state IN ('held', 'removing') AND (
      NOT EXISTS (SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL)
      OR EXISTS (SELECT 1 FROM assignments a WHERE a.study = i.study AND a.ended_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM receipts r WHERE r.instance = i.id AND r.copy = a.copy)))`,
  noteStudies: `
    INSERT INTO events (study, at, kind, text)
    SELECT study, @now, 'ledger-restored', 'the ledger was put back from a backup; instances of it that waited on a front when it was made: '
      || count(*) || '. What is still there is delivered from there, the rest left the front since'
    FROM forgotten GROUP BY study`,
  forget: [
    `DELETE FROM deliveries WHERE instance IN (SELECT id FROM forgotten)`,
    `DELETE FROM receipts WHERE instance IN (SELECT id FROM forgotten)`,
    `DELETE FROM instances WHERE id IN (SELECT id FROM forgotten)`,
  ],
  hasRefusals: `SELECT 1 FROM sqlite_schema WHERE name = 'refusals'`,
  forgetRefusals: `DELETE FROM refusals WHERE instance IN (SELECT id FROM forgotten)`,
  /** Instances are deleted nowhere else, so no trigger counts it. */
  countStudies: `
    UPDATE studies AS s SET
      instances = (SELECT count(*) FROM instances i WHERE i.study = s.id),
      held = (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'held'),
      removing = (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'removing'),
      verified = (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.proven = 1),
      bytes = (SELECT coalesce(sum(bytes), 0) FROM instances i WHERE i.study = s.id)
    WHERE id IN (SELECT study FROM forgotten)`,
  countTotals: `
    UPDATE totals SET
      received = received - (SELECT count(*) FROM forgotten),
      unproven = (SELECT count(*) FROM instances WHERE state = 'held' AND proven = 0),
      unproven_bytes = (SELECT coalesce(sum(bytes), 0) FROM instances WHERE state = 'held' AND proven = 0),
      settling = (SELECT count(*) FROM instances WHERE state IN ('held', 'removing') AND (state = 'removing' OR proven = 1))`,
  /** What came to the backend since is not known any more: other content there may be a conflict, not only damage of ours. */
  hasClean: `SELECT 1 FROM pragma_table_info('assignments') WHERE name = 'clean'`,
  notClean: `UPDATE assignments SET clean = 0 WHERE clean = 1`,
  /** Whoever signed out since would be signed in again. */
  hasSessions: `SELECT 1 FROM sqlite_schema WHERE name = 'sessions'`,
  endSessions: `DELETE FROM sessions`,
  validTokens: `SELECT name FROM tokens WHERE revoked_at IS NULL ORDER BY name`,
  hasAudit: `SELECT 1 FROM sqlite_schema WHERE name = 'audit'`,
  drop: `DROP TABLE forgotten`,
} as const;

/**
 * Makes a ledger that was put back from a backup fit to go on. Since the copy was made, time has passed that it knows
 * nothing of: what waited on a front then may have been delivered and removed long ago. Taken literally, each such instance
 * would be reported as deleted by somebody without a receipt. To call it removed would be a receipt that nobody gave. So the
 * ledger forgets it, and says so on the study: what a front still holds is taken up from there like anything new.
 *
 * Tokens that were revoked since are valid again, which the copy cannot know; to revoke all of them instead would lock out every program
 * in the hour in which it is needed. So the audit trail says which are valid, in the same transaction, and the service says it too.
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
      const has = (sql: string): boolean => db.prepare(sql).get() !== undefined;
      db.exec(restoredSql.find);
      db.prepare(restoredSql.noteStudies).run({ now });
      if (has(restoredSql.hasRefusals)) db.exec(restoredSql.forgetRefusals);
      for (const sql of restoredSql.forget) db.exec(sql);
      db.exec(restoredSql.countStudies);
      db.exec(restoredSql.countTotals);
      if (has(restoredSql.hasClean)) db.exec(restoredSql.notClean);
      if (has(restoredSql.hasSessions)) db.exec(restoredSql.endSessions);
      // Tokens came together with sessions.
      const names = has(restoredSql.hasSessions)
        ? db.prepare<[], { name: string }>(restoredSql.validTokens).all()
        : [];
      if (has(restoredSql.hasAudit)) {
        db.prepare(auditSql.addAudit).run({
          at: now,
          who: 'service',
          action: 'ledger-restored',
          target: basename(file),
          detail: restoredNotice(names.map(({ name }) => name)),
        });
      }
      db.exec(restoredSql.drop);
      db.pragma('application_id = 0');
    }).exclusive();
  } finally {
    db.close();
  }
}

/** So many names stand in a sentence that people are to read. */
const mostNames = 20;

/** What whoever put it back has to know. */
export function restoredNotice(validTokens: readonly string[]): string {
  const begin = 'The ledger was put back from a backup: everybody has to sign in anew';
  if (validTokens.length === 0) return `${begin}.`;
  const names = validTokens.slice(0, mostNames).join(', ');
  const more = validTokens.length > mostNames ? ` and ${validTokens.length - mostNames} more` : '';
  return `${begin}, and tokens are as they were when it was made, those that were revoked since are valid again. Valid are: ${names}${more}. Revoke what must not be ("dde tokens revoke NAME").`;
}
