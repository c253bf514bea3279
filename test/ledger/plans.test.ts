import { join } from 'node:path';
import BetterSqlite3, { type Database } from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { studiesOf } from '../../bench/scale/images.ts';
import { writeLedger } from '../../bench/scale/ledgers.ts';
import { accountsSql } from '../../src/ledger/accounts.ts';
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
import { openLedger } from '../../src/ledger/open.ts';
import { quarantineSql } from '../../src/ledger/quarantine.ts';
import { releasesSql } from '../../src/ledger/releases.ts';
import { shadowSql } from '../../src/ledger/shadow.ts';
import { filterNames, studiesSql } from '../../src/ledger/study-queries.ts';
import { readTrace, traceSql } from '../../src/ledger/trace.ts';
import { transfersSql } from '../../src/ledger/transfers.ts';
import { viewsSql } from '../../src/ledger/views.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

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
  standingAfter: ['instances_standing'],
  standingAmong: ['instances_standing'],
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
  unfinishedOn: ['studies_state'],
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
  endSessionsOf: ['sessions_token'],
  endSurplus: ['sessions_token'],
  dropSessions: ['sessions_expiry'],
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
  accountsSql,
  quarantineSql,
  learningSql,
  shadowSql,
  traceSql,
].flatMap((part) => Object.entries(part));

/** One row, a row a backend, or only what is under way: the only tables that may be walked whole. */
const smallTables =
  /^SCAN (b|backends|totals|roll_ups|j|json_each|value|evacuations|former_copies|service_models|tokens)\b/;
/** Walks over an index that holds only the rows that are asked for, and over an intermediate result. */
const rightScans =
  /^SCAN (\S+ USING (COVERING )?INDEX (studies_unplaced|studies_settling|studies_held|refusals_instance|instances_unproven|instances_quarantine|deliveries_transfer)|p|\(subquery-\d+\)|json_each VIRTUAL TABLE.*|CONSTANT ROW|\d+ CONSTANT ROWS?|j VIRTUAL TABLE.*)/;

/** Pieces of SQL that were prepared while something was done. */
async function preparedBy(work: () => Promise<void>): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const spy = vi.spyOn(BetterSqlite3.prototype, 'prepare').mockImplementation(function (this: Database, sql) {
    seen.add(sql);
    return prepare.call(this, sql);
  });
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return seen;
}
// oxlint-disable-next-line typescript/unbound-method -- called with the `this` of each call
const { prepare } = BetterSqlite3.prototype;

let folder: TempDir;
let largeFile: string;
beforeAll(async () => {
  folder = await tempDir('plans');
  largeFile = join(folder.path, 'large.sqlite');
  const backends = Array.from({ length: 8 }, (_, index) => `orthanc${index + 1}`);
  const backlog = studiesOf(1, 0, 1_500);
  await writeLedger(largeFile, {
    front: 'front',
    backends,
    rows: 20_000,
    backlog,
  });
}, 60_000);
afterAll(async () => {
  await folder?.remove();
});

test('every statement that a service prepares, and every one that reads a trace, is among those looked at here', async () => {
  const seen = await preparedBy(async () => {
    const ledger = openLedger(largeFile);
    ledger.studies({}, { limit: 1 });
    await ledger.close();
    readTrace(largeFile, { from: 0, to: 1 });
  });
  const known = new Set(statements.map(([, sql]) => sql));
  known.add(studiesSql(new Set()));
  expect(seen.size).toBeGreaterThan(150);
  expect([...seen].filter((sql) => !known.has(sql))).toEqual([]);
});

describe.each([
  ['that is new', () => new BetterSqlite3(':memory:'), false],
  ['with much in it', () => new BetterSqlite3(largeFile), false],
  // By a person's hand, or a tool's: the service makes no statistics.
  ['with much in it, and statistics of that', () => new BetterSqlite3(largeFile), true],
])('in a ledger %s', (_what, open, analyze) => {
  let db: Database;
  beforeAll(() => {
    db = open();
    migrate(db);
    if (analyze) db.exec('ANALYZE');
  });
  afterAll(() => db?.close());

  const plan = (sql: string): string[] =>
    db
      .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...parametersOf(sql))
      .map((row) => row.detail);

  test('every statement finds its rows by an index', () => {
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
  });

  test('a page of studies walks one index in its own order, whatever the filters', () => {
    for (let bits = 0; bits < 2 ** filterNames.length; bits += 1) {
      const sql = studiesSql(new Set(filterNames.filter((_, index) => (bits >> index) % 2 === 1)));
      const details = plan(sql);
      expect(details.join(' | ')).not.toMatch(/TEMP B-TREE|SCAN s\b(?! USING INDEX)/);
      expect(details[0]).toMatch(/USING INDEX studies_/);
    }
  });
});

/** Something to bind for each parameter; a plan does not depend on the values. */
function parametersOf(sql: string): unknown[] {
  const names = [...sql.matchAll(/@(\w+)/g)].map((found) => found[1] ?? '');
  const named = Object.fromEntries(names.map((name) => [name, name === 'ids' ? '[]' : 1]));
  const positional = [...sql.matchAll(/\?/g)].map(() => 1);
  return names.length > 0 ? [named] : positional;
}
