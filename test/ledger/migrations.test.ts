import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { migrate, migrations } from '../../src/ledger/migrations.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { never } from './invariants.ts';
import { arrivalOf, claimed, concludeAll, ledgerFile, placing, proven } from './support.ts';

/** What the first release left behind: a study in each state, written by its own schema and triggers. */
const content = `
INSERT INTO backends (name, state, weight, changed_at, last_placement) VALUES ('b1', 'drain', 0.5, 1, 1), ('b2', NULL, NULL, NULL, 4);
INSERT INTO studies (uid, first_seen_at, last_news_at, modality, station, fronts) VALUES
  ('1.1', 1, 10, 'CT', 'CT1', '["front"]'), ('1.2', 2, 20, 'MR', 'MR1', '["front"]'), ('1.3', 3, 30, 'CT', 'CT1', '["front"]'),
  ('1.4', 4, 40, 'CT', 'CT1', '["front"]'), ('1.5', 5, 50, 'CT', 'CT1', '["front"]');
INSERT INTO instances (study, front, orthanc_id, series_uid, sop_uid, state, bytes, bytes_exact, arrived_at, changed_at)
  SELECT id, 'front', 'old-' || id, uid || '.1', uid || '.1.1', 'held', 100, 1, first_seen_at, first_seen_at FROM studies;
INSERT INTO decisions (study, copy, epoch, at, policy, kind, backend, reason, considered) VALUES
  (1, 0, 1, 11, 'p', 'placed', 'b1', 'r', '[]'), (2, 0, 1, 12, 'p', 'followed', 'b2', 'r', '[]'),
  (3, 0, 1, 13, 'p', 'placed', 'b1', 'r', '[]'), (4, 0, 1, 14, 'p', 'placed', 'b2', 'r', '[{"backend":"b2"}]'),
  (5, 0, 1, 15, 'p', 'waiting', NULL, 'nobody is up', '[]');
UPDATE studies SET waiting_reason = 'nobody is up' WHERE id = 5;
INSERT INTO assignments (study, copy, epoch, backend, decision, assigned_at)
  SELECT study, copy, epoch, backend, id, at FROM decisions WHERE backend IS NOT NULL;
INSERT INTO transfers (front, backend, started_at, instances, bytes) VALUES ('front', 'b2', 20, 1, 100);
INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at) VALUES
  (1, 1, 0, 1, 'front', 'b1', 100, 1), (2, 2, 0, 1, 'front', 'b2', 100, 2);
UPDATE deliveries SET transfer = 1 WHERE study = 2;
INSERT INTO receipts (instance, copy, epoch, round, backend, md5, at, transfer) VALUES (3, 0, 1, 1, 'b1', 'm', 25, 0);
UPDATE instances SET proven = 1 WHERE id = 3;
UPDATE instances SET state = 'removed' WHERE id = 3;
UPDATE instances SET state = 'quarantined', quarantine_code = 'conflict', quarantine_detail = 'd' WHERE id = 4;
INSERT INTO events (study, at, kind, text) VALUES (4, 26, 'x', 'y');
`;

test('a ledger of the first release goes on as it was, and can do what is new', async () => {
  const file = await ledgerFile();
  const db = new BetterSqlite3(file);
  migrate(db, migrations.slice(0, 1));
  db.exec(content);
  db.close();

  const ledger = openLedger(file);
  const eye = new BetterSqlite3(file);
  const wrong = (): string[] =>
    Object.entries(never).flatMap(([what, sql]) => (eye.prepare(sql).pluck().get() === 0 ? [] : [what]));
  try {
    expect(eye.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(eye.pragma('foreign_key_check')).toEqual([]);
    expect(wrong()).toEqual([]);
    const states = ledger.studies({}, { limit: 10 }).items.map(({ studyUid, state }) => [studyUid, state]);
    expect(states).toEqual([
      ['1.5', 'received'],
      ['1.4', 'quarantined'],
      ['1.3', 'removed'],
      ['1.2', 'sending'],
      ['1.1', 'assigned'],
    ]);
    expect(ledger.studies({ state: 'removed' }, { limit: 10 }).items).toMatchObject([
      { studyUid: '1.3', formerCopies: [] },
    ]);
    expect(ledger.decisions('1.4')).toMatchObject([
      { id: 4, kind: 'placed', backend: 'b2', considered: [{ backend: 'b2' }] },
    ]);
    expect(ledger.events('1.4')).toEqual([{ at: 26, kind: 'x', text: 'y' }]);
    expect(ledger.receipts('1.3')).toMatchObject([{ md5: 'm', backend: 'b1' }]);
    expect(ledger.totals()).toEqual({
      received: 5,
      proven: 1,
      removed: 1,
      vanished: 0,
      decisions: { placed: 3, followed: 1, waiting: 1, rebound: 0 },
    });
    expect(ledger.backendSettings()).toEqual([{ backend: 'b1', state: 'drain', weight: 0.5 }]);
    expect(ledger.unplaced(10)).toMatchObject([{ studyUid: '1.5' }]);
    expect(ledger.recover(100)).toEqual({ interruptedTransfers: 1, provenAnew: 0 });

    expect(ledger.bound('b1')).toMatchObject([{ studyUid: '1.1', torn: false, unproven: 1 }]);
    // Nobody asked then what the backend held.
    expect(claimed(ledger, 'b1', 101).deliveries).toMatchObject([{ orthancId: 'old-1', ours: false }]);
    const decision = placing('b3', { studyUid: '1.3', at: 102, kind: 'rebound' });
    expect(ledger.rebind({ ...decision, expectedEpoch: 1 })).toMatchObject({ epoch: 2, decisionId: 6 });
    expect(ledger.studies({ state: 'healing' }, { limit: 10 }).items.map(({ studyUid }) => studyUid)).toEqual(
      ['1.3'],
    );
    ledger.received(arrivalOf(9, { studyUid: '1.3' }), 103);
    concludeAll(ledger, claimed(ledger, 'b3', 104), proven, 105);
    expect(ledger.requeue('1.4', null, 106)).toBe(1);
    expect(wrong()).toEqual([]);
  } finally {
    eye.close();
    await ledger.close();
  }
});
