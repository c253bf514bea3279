import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { auditSql } from '../../src/ledger/audit.ts';
import { backendsSql } from '../../src/ledger/backends.ts';
import { bindingsSql } from '../../src/ledger/bindings.ts';
import { decisionsSql } from '../../src/ledger/decisions.ts';
import { doubtSql } from '../../src/ledger/doubt.ts';
import { evacuationsSql } from '../../src/ledger/evacuations.ts';
import { failoverSql } from '../../src/ledger/failover.ts';
import { formerCopiesSql } from '../../src/ledger/former-copies.ts';
import { historySql } from '../../src/ledger/history.ts';
import { intakeSql } from '../../src/ledger/intake.ts';
import { learningSql } from '../../src/ledger/learning.ts';
import { migrate } from '../../src/ledger/migrations.ts';
import { quarantineSql } from '../../src/ledger/quarantine.ts';
import { releasesSql } from '../../src/ledger/releases.ts';
import { shadowSql } from '../../src/ledger/shadow.ts';
import { filterNames, studiesSql } from '../../src/ledger/study-queries.ts';
import { traceSql } from '../../src/ledger/trace.ts';
import { transfersSql } from '../../src/ledger/transfers.ts';
import { viewsSql } from '../../src/ledger/views.ts';

/** What each statement must be found by, beside the rule for all: no table that grows is walked from end to end. */
const indexes: Record<string, readonly string[]> = {
  unplaced: ['studies_unplaced'],
  settled: ['studies_settling'],
  wake: ['deliveries_delayed'],
  ready: ['deliveries_ready'],
  oldestOfNextFront: ['deliveries_ready'],
  anyReady: ['deliveries_ready'],
  earliestDelayed: ['deliveries_delayed'],
  taken: ['deliveries_transfer'],
  interrupt: ['transfers_ended'],
  reopenInterrupted: ['deliveries_transfer'],
  standing: ['instances_standing'],
  frontsStanding: ['instances_standing'],
  newRound: ['instances_standing'],
  askAgain: ['instances_unproven'],
  absentees: ['instances_standing'],
  endRemoval: ['sqlite_autoindex_instances_1'],
  findInstance: ['sqlite_autoindex_instances_1'],
  queueHeld: ['instances_study'],
  dueFarAhead: ['deliveries_delayed'],
  newsFromAhead: ['studies_news'],
  unprove: ['instances_study'],
  beginRemoval: ['instances_study'],
  bound: ['studies_held', 'deliveries_study'],
  refusedStudies: ['refusals_instance'],
  healable: ['former_copies_due'],
  lost: ['instances_study'],
  unproven: ['sqlite_autoindex_instances_1'],
  addReceiptMoved: ['sqlite_autoindex_instances_1'],
  noteProvenMoved: ['sqlite_autoindex_instances_1'],
  formerOn: ['former_copies_backend'],
  auditTrail: ['audit_at'],
  loads: ['deliveries_arrived'],
  queues: ['deliveries_arrived', 'deliveries_ready', 'deliveries_delayed'],
  quarantined: ['instances_quarantine'],
  oldestUnproven: ['instances_unproven'],
  countUnplaced: ['studies_unplaced'],
  oldestFailure: ['deliveries_failed'],
  raw: ['transfers_backend'],
  rawOf: ['load_samples_orthanc', 'transfers_backend'],
  minutesOf: ['load_minutes_orthanc'],
  hoursOf: ['load_hours_orthanc'],
  rollMinutes: ['transfers_ended'],
  thinTransfers: ['transfers_ended'],
  news: ['studies_news'],
  finished: ['studies_state'],
  thinShadow: ['shadow_choices_at'],
  studiesSince: ['studies_news'],
  arrivalsOf: ['instances_study'],
  provenOf: ['instances_study'],
  transfersIn: ['transfers_ended'],
};

const statements: [string, string][] = [
  intakeSql,
  releasesSql,
  decisionsSql,
  transfersSql,
  backendsSql,
  historySql,
  viewsSql,
  bindingsSql,
  failoverSql,
  formerCopiesSql,
  doubtSql,
  evacuationsSql,
  auditSql,
  quarantineSql,
  learningSql,
  shadowSql,
  traceSql,
].flatMap((part) => Object.entries(part));

/** One row, a row a backend, or only what is under way: the only tables that may be walked whole. */
const smallTables =
  /^SCAN (b|backends|totals|roll_ups|j|json_each|value|evacuations|former_copies|service_models)\b/;
/** Walks over an index that holds only the rows that are asked for, and over an intermediate result. */
const rightScans =
  /^SCAN (\S+ USING (COVERING )?INDEX (studies_unplaced|studies_settling|studies_held|refusals_instance|instances_unproven|instances_quarantine|deliveries_transfer)|p|\(subquery-\d+\)|json_each VIRTUAL TABLE.*|CONSTANT ROW|\d+ CONSTANT ROWS?|j VIRTUAL TABLE.*)/;

test('every statement finds its rows by an index', () => {
  const db = new BetterSqlite3(':memory:');
  migrate(db);
  const plan = (sql: string): string[] =>
    db
      .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...parametersOf(sql))
      .map((row) => row.detail);
  try {
    const wrong: string[] = [];
    for (const [name, sql] of statements) {
      const details = plan(sql);
      for (const detail of details.filter((line) => line.startsWith('SCAN'))) {
        if (!smallTables.test(detail) && !rightScans.test(detail)) wrong.push(`${name}: ${detail}`);
      }
      for (const index of indexes[name] ?? []) {
        if (!details.some((detail) => `${detail} `.includes(`INDEX ${index} `))) {
          wrong.push(`${name} not by ${index}: ${details.join(' | ')}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  } finally {
    db.close();
  }
});

test('a page of studies walks one index in its own order, whatever the filters', () => {
  const db = new BetterSqlite3(':memory:');
  migrate(db);
  try {
    for (let bits = 0; bits < 2 ** filterNames.length; bits += 1) {
      const sql = studiesSql(new Set(filterNames.filter((_, index) => (bits >> index) % 2 === 1)));
      const details = db
        .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...parametersOf(sql))
        .map((row) => row.detail);
      expect(details.join(' | ')).not.toMatch(/TEMP B-TREE|SCAN s\b(?! USING INDEX)/);
      expect(details[0]).toMatch(/USING INDEX studies_/);
    }
  } finally {
    db.close();
  }
});

/** Something to bind for each parameter; a plan does not depend on the values. */
function parametersOf(sql: string): unknown[] {
  const names = [...sql.matchAll(/@(\w+)/g)].map((found) => found[1] ?? '');
  const named = Object.fromEntries(names.map((name) => [name, name === 'ids' ? '[]' : 1]));
  const positional = [...sql.matchAll(/\?/g)].map(() => 1);
  return names.length > 0 ? [named] : positional;
}
