import { writeFileSync } from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { framesInLog } from '../../src/ledger/connection.ts';
import { toLedgerError } from '../../src/ledger/errors.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { migrate, migrations } from '../../src/ledger/migrations.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { arrivalOf, claimed, concludeAll, ledgerFile, newLedger, placing, proven, wide } from './support.ts';

test('an instance goes from received to removed, and each step shows on its study', async () => {
  const { ledger } = await newLedger();
  expect(ledger.received(arrivalOf(1), 10)).toEqual({
    instance: 'new',
    assignments: [],
    waitingReason: null,
  });
  expect(ledger.study('1.2.3')).toMatchObject({
    state: 'received',
    waiting: 'waits its turn: studies that came before it are placed first',
    fronts: ['front'],
  });

  const assignment = ledger.decide(placing('b1', { at: 11 }));
  expect(assignment).toMatchObject({ backend: 'b1', copy: 0, epoch: 1, assignedAt: 11 });
  expect(ledger.study('1.2.3')).toMatchObject({
    state: 'assigned',
    waiting: null,
    assignments: [assignment],
  });

  const transfer = claimed(ledger, 'b1', 12);
  expect(ledger.study('1.2.3')?.state).toBe('sending');
  expect(ledger.claim('b1', wide, 12)).toBeNull();

  concludeAll(ledger, transfer, proven, 13);
  expect(ledger.study('1.2.3')).toMatchObject({
    state: 'verified',
    instances: { received: 1, verified: 1, removed: 0 },
  });
  expect(ledger.settled(9, 10)).toEqual([]);
  expect(ledger.settled(10, 10)).toEqual(['1.2.3']);

  expect(ledger.beginRemoval('1.2.3', 10, 14)).toEqual([{ front: 'front', orthancIds: ['instance-1'] }]);
  ledger.removed('front', ['instance-1'], 15);
  expect(ledger.study('1.2.3')).toMatchObject({ state: 'removed', instances: { verified: 1, removed: 1 } });
  expect(ledger.standing('front').size).toBe(0);
});

test('content that was sent again is not let go of on the strength of an older proof', async () => {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 10);
  ledger.decide(placing('b1'));
  const former = claimed(ledger, 'b1', 11);
  expect(ledger.received(arrivalOf(1), 12).instance).toBe('again');
  concludeAll(ledger, former, proven, 13);
  expect(ledger.study('1.2.3')?.instances.verified).toBe(0);
  expect(ledger.beginRemoval('1.2.3', 99, 99)).toEqual([]);

  const anew = claimed(ledger, 'b1', 14);
  expect(anew.deliveries).toMatchObject([{ askFirst: true }]);
  concludeAll(ledger, anew, proven, 15);
  expect(ledger.beginRemoval('1.2.3', 99, 99)).toHaveLength(1);

  // It arrives once more while the front is being asked: the answer to that question is about the former one.
  ledger.received(arrivalOf(1), 100);
  ledger.removed('front', ['instance-1'], 101);
  expect(ledger.standing('front')).toEqual(new Map([['instance-1', 'held']]));
  expect(ledger.beginRemoval('1.2.3', 200, 200)).toEqual([]);
});

test('what stands on a front is read in pieces, each identifier once, and looked up among others', async () => {
  const { ledger } = await newLedger();
  for (let n = 10; n < 17; n++) ledger.received(arrivalOf(n), 0);
  ledger.received(arrivalOf(20, { front: 'other' }), 0);
  ledger.absent('front', ['instance-13'], 0);
  const pieces: string[][] = [];
  for (let after: string | undefined = ''; after !== undefined; after = pieces.at(-1)?.at(-1))
    pieces.push([...ledger.standingAfter('front', after, 2)]);
  expect(pieces).toEqual([
    ['instance-10', 'instance-11'],
    ['instance-12', 'instance-14'],
    ['instance-15', 'instance-16'],
    [],
  ]);
  expect(pieces.flat()).toEqual([...ledger.standing('front').keys()].toSorted());
  expect(ledger.standingAmong('front', ['instance-12', 'instance-13', 'instance-20', 'nobody'])).toEqual(
    new Set(['instance-12']),
  );
  expect(ledger.standingAmong('front', [])).toEqual(new Set());
});

test('one bad instance is found by ever smaller chunks and holds nobody else', async () => {
  const { ledger } = await newLedger();
  for (let number = 0; number < 64; number += 1) ledger.received(arrivalOf(number), 10);
  ledger.decide(placing('b1'));
  let now = 20;
  for (let round = 0; round < 100; round += 1) {
    const transfer = ledger.claim('b1', wide, now);
    if (transfer === null) break;
    const bad = transfer.deliveries.some((delivery) => delivery.orthancId === 'instance-13');
    now += 1;
    concludeAll(
      ledger,
      transfer,
      bad ? { kind: 'retry', code: 'send-failed', detail: 'no', notBefore: now } : proven,
      now,
    );
    if (bad && transfer.deliveries.length === 1) {
      concludeAll(
        ledger,
        claimed(ledger, 'b1', now),
        { kind: 'quarantine', code: 'refused', detail: 'not a DICOM file' },
        now,
      );
    }
  }
  expect(ledger.loads()).toEqual([]);
  expect(ledger.study('1.2.3')).toMatchObject({
    state: 'quarantined',
    waiting: 'refused: not a DICOM file',
    instances: { verified: 63, quarantined: 1 },
  });
  // The others may go; what a person must look at stays.
  expect(ledger.beginRemoval('1.2.3', 10, now)[0]?.orthancIds).toHaveLength(63);
  expect(ledger.quarantined({ limit: 5 }).items).toMatchObject([
    { orthancId: 'instance-13', code: 'refused' },
  ]);
});

test('a delayed delivery lets those behind it pass, and comes when its time has come', async () => {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 10);
  ledger.decide(placing('b1'));
  concludeAll(
    ledger,
    claimed(ledger, 'b1', 11),
    { kind: 'retry', code: 'backend-error', detail: '500', notBefore: 500 },
    12,
  );
  ledger.received(arrivalOf(2), 13);
  expect(ledger.nextAttemptAt('b1')).toBe(0);
  expect(claimed(ledger, 'b1', 14).deliveries.map((delivery) => delivery.orthancId)).toEqual(['instance-2']);
  expect(ledger.nextAttemptAt('b1')).toBe(500);
  expect(ledger.claim('b1', wide, 499)).toBeNull();
  expect(ledger.queue().backends).toMatchObject([
    { backend: 'b1', sending: 1, retrying: 1, lastFailure: 'send-failed: ' },
  ]);
  expect(claimed(ledger, 'b1', 500).deliveries).toMatchObject([
    { orthancId: 'instance-1', attempts: 1, askFirst: true },
  ]);
});

test('who deleted what: gone after its receipt is removed, gone before it is vanished and said so', async () => {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 10);
  ledger.decide(placing('b1'));
  concludeAll(ledger, claimed(ledger, 'b1', 11), proven, 12);
  ledger.received(arrivalOf(2), 13);
  ledger.received(arrivalOf(3), 13);
  const open = claimed(ledger, 'b1', 14, { instances: 1, bytes: 1e6 });
  expect(open.deliveries[0]?.orthancId).toBe('instance-2');
  expect(ledger.absent('front', ['instance-1', 'instance-2', 'instance-3', 'never-seen'], 15)).toEqual({
    removed: 1,
    vanished: 1,
    studies: ['1.2.3'],
  });
  concludeAll(ledger, open, proven, 16);
  expect(ledger.study('1.2.3')?.instances).toEqual({
    received: 3,
    verified: 2,
    removed: 1,
    quarantined: 0,
    vanished: 1,
    discarded: 0,
  });
  expect(ledger.events('1.2.3')).toMatchObject([{ at: 15, kind: 'vanished' }]);
  expect(ledger.totals()).toMatchObject({ received: 3, removed: 1, vanished: 1 });
});

test('after a restart everything that stands on a front is proven anew, and what was under way asks first', async () => {
  const { ledger } = await newLedger();
  for (const number of [1, 2, 3]) ledger.received(arrivalOf(number), 10);
  ledger.decide(placing('b1'));
  concludeAll(ledger, claimed(ledger, 'b1', 11, { instances: 1, bytes: 1e6 }), proven, 12);
  const open = claimed(ledger, 'b1', 13, { instances: 1, bytes: 1e6 });
  expect(ledger.recover(20)).toEqual({ interruptedTransfers: 1, provenAnew: 1 });
  concludeAll(ledger, open, proven, 21);
  const deliveries = [1, 2, 3].flatMap(() => ledger.claim('b1', wide, 22)?.deliveries ?? []);
  expect(Object.fromEntries(deliveries.map(({ orthancId, askFirst }) => [orthancId, askFirst]))).toEqual({
    'instance-1': true,
    'instance-2': true,
    'instance-3': false,
  });
});

test('a decision is made once, and waiting for the same reason is said once', async () => {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 10);
  const waiting = placing('', { kind: 'waiting', backend: null, reason: 'no backend is up' });
  expect(ledger.decide(waiting)).toBeNull();
  expect(ledger.decide(waiting)).toBeNull();
  expect(ledger.received(arrivalOf(2), 11).waitingReason).toBe('no backend is up');
  expect(ledger.unplaced(10)).toMatchObject([{ studyUid: '1.2.3', copy: 0, instances: 2, bytes: 200 }]);
  const first = ledger.decide(placing('b1'));
  expect(ledger.decide(placing('b2'))).toEqual(first);
  expect(ledger.decide(waiting)).toEqual(first);
  expect(ledger.decisions('1.2.3').map((decision) => decision.kind)).toEqual(['waiting', 'placed']);
  expect(ledger.unplaced(10)).toEqual([]);
  expect(ledger.lastPlacements()).toEqual(new Map([['b1', first?.decisionId]]));
  expect(() => ledger.decide(placing('b1', { studyUid: '9.9' }))).toThrow(LedgerError);
});

test('pages of studies and of quarantine hold everything once, whatever the filter', async () => {
  const { ledger } = await newLedger();
  for (let number = 0; number < 25; number += 1) {
    ledger.received(
      arrivalOf(number, {
        studyUid: `1.${number}`,
        modality: number % 2 === 0 ? 'CT' : 'MR',
        remoteAet: `AET${number % 3}`,
      }),
      10 + (number >> 2),
    );
    ledger.decide(placing(`b${number % 2}`, { studyUid: `1.${number}` }));
  }
  for (const filter of [
    {},
    { modality: 'CT' },
    { backend: 'b1' },
    { aet: 'AET1', state: 'assigned' as const },
    { since: 11, until: 14, station: 'CT1' },
  ]) {
    const whole = ledger.studies(filter, { limit: 100 });
    expect(whole.next).toBeNull();
    const paged: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = ledger.studies(filter, cursor === undefined ? { limit: 4 } : { limit: 4, cursor });
      paged.push(...page.items.map((item) => item.studyUid));
      cursor = page.next;
    }
    expect(paged).toEqual(whole.items.map((item) => item.studyUid));
    expect(new Set(paged).size).toBe(paged.length);
  }
  expect(ledger.studies({ modality: 'CT' }, { limit: 100 }).items).toHaveLength(13);
  expect(() => ledger.studies({}, { limit: 1, cursor: "1' OR 1" })).toThrow(LedgerError);
});

test('history rolls up the same however often, makes up for missed runs, and is thinned only after that', async () => {
  const { ledger } = await newLedger();
  const hour = 3_600_000;
  const start = 100 * hour;
  for (let second = 0; second < 7200; second += 60) {
    ledger.addSamples([
      {
        orthanc: 'b1',
        at: start + second * 1000,
        up: second % 120 === 0,
        latencyMs: second % 120 === 0 ? 4 : null,
        jobsPending: 1,
        jobsRunning: 0,
        activeRequests: 0,
        instances: second,
        diskBytes: 7,
      },
    ]);
  }
  ledger.received(arrivalOf(1), 1);
  ledger.decide(placing('b1', { at: start }));
  concludeAll(ledger, claimed(ledger, 'b1', start + 1000), proven, start + 3000);

  const all = { from: 0, to: Number.MAX_SAFE_INTEGER, limit: 1000 };
  ledger.thin(start + 2000 * hour, { rawMs: 0, minutesMs: 0, hoursMs: 1e12 });
  expect(ledger.history({ ...all, resolution: 'raw' })).toHaveLength(120);
  ledger.rollUp(start + 2 * hour + 1);
  const minutes = ledger.history({ ...all, resolution: 'minute' });
  const hours = ledger.history({ ...all, resolution: 'hour', orthanc: 'b1' });
  expect(minutes).toHaveLength(120);
  expect(hours).toMatchObject([
    {
      at: start,
      up: 0.5,
      latencyMs: 4,
      instances: 3540,
      transfers: 1,
      transferredInstances: 1,
      transferSeconds: 2,
    },
    { at: start + hour, up: 0.5, transfers: 0 },
  ]);
  ledger.rollUp(start + 2 * hour + 2);
  expect(ledger.history({ ...all, resolution: 'minute' })).toEqual(minutes);
  expect(ledger.history({ ...all, resolution: 'hour', orthanc: 'b1' })).toEqual(hours);

  ledger.rollUp(start + 20 * hour);
  ledger.thin(start + 20 * hour, { rawMs: 0, minutesMs: 0, hoursMs: 1e12 });
  expect(ledger.history({ ...all, resolution: 'raw' })).toEqual([]);
  expect(ledger.history({ ...all, resolution: 'minute' })).toEqual([]);
  ledger.rollUp(start + 20 * hour + 1);
  expect(ledger.history({ ...all, resolution: 'hour', orthanc: 'b1' })).toEqual(hours);
});

test('what an operator said of a backend is remembered over a restart, beside its load', async () => {
  const file = await ledgerFile();
  const first = openLedger(file);
  first.setBackend({ backend: 'b1', state: 'drain', weight: 0.5 }, 1);
  first.received(arrivalOf(1), 10);
  first.decide(placing('b1'));
  await first.close();
  await first.close();
  await expect(first.durable()).rejects.toThrow(LedgerError);
  const second = openLedger(file);
  expect(second.backendSettings()).toEqual([{ backend: 'b1', state: 'drain', weight: 0.5 }]);
  expect(second.loads()).toEqual([{ backend: 'b1', studies: 1, instances: 1, bytes: 100, oldestAt: 10 }]);
  await second.close();
});

test('calls of durable() that overlap end in order, and all of them end', async () => {
  const { ledger } = await newLedger();
  const ended: number[] = [];
  await Promise.all(
    Array.from({ length: 200 }, async (_, number) => {
      ledger.received(arrivalOf(number), number);
      if (number % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      await ledger.durable();
      ended.push(number);
    }),
  );
  expect(ended).toHaveLength(200);
});

test('the log begins anew while commits go on', async () => {
  const failures: unknown[] = [];
  const { ledger, file } = await newLedger({
    checkpoint: { startBytes: 200_000, restartBytes: 1_000_000 },
    onCheckpointFailure: (error) => failures.push(error),
  });
  const eye = new BetterSqlite3(file);
  let longest = 0;
  let begunAnew = false;
  // As long as it takes: how soon the checkpointer's thread gets a turn is up to the machine.
  const givenUpAt = performance.now() + 30_000;
  for (let number = 0; !begunAnew && performance.now() < givenUpAt; number += 1) {
    ledger.received(arrivalOf(number), number);
    if (number % 20 !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    const { log: length } = framesInLog(eye);
    begunAnew = length < longest;
    longest = Math.max(longest, length);
  }
  eye.close();
  expect(begunAnew).toBe(true);
  expect(failures).toEqual([]);
});

test('a ledger of a later release, and a file that is none, are refused with a reason', async () => {
  const file = await ledgerFile();
  const db = new BetterSqlite3(file);
  migrate(db);
  migrate(db);
  expect(db.pragma('user_version', { simple: true })).toBe(migrations.length);
  db.pragma(`user_version = ${migrations.length + 1}`);
  db.close();
  expect(() => openLedger(file)).toThrow(expect.objectContaining({ code: 'newer' }));

  const other = await ledgerFile();
  writeFileSync(
    other,
    'this is a text, and long enough to be looked at as a database header would be'.repeat(20),
  );
  expect(() => openLedger(other)).toThrow(expect.objectContaining({ code: 'damaged' }));
  expect(() => openLedger('/nonexistent/ledger.db')).toThrow(expect.objectContaining({ code: 'failed' }));
});

test('a migration that fails leaves the version before it', () => {
  const db = new BetterSqlite3(':memory:');
  const broken = [...migrations, 'CREATE TABLE more (id INTEGER PRIMARY KEY); SELECT nonsense;'];
  expect(() => migrate(db, broken)).toThrow('nonsense');
  expect(db.pragma('user_version', { simple: true })).toBe(migrations.length);
  expect(db.prepare(`SELECT count(*) FROM sqlite_schema WHERE name = 'more'`).pluck().get()).toBe(0);
  db.close();
});

const codeOf = (code: string): string => toLedgerError(new BetterSqlite3.SqliteError('x', code)).code;

test('errors of SQLite and of the disk become codes', () => {
  expect(
    [
      'SQLITE_FULL',
      'SQLITE_BUSY_SNAPSHOT',
      'SQLITE_CORRUPT_INDEX',
      'SQLITE_NOTADB',
      'SQLITE_IOERR_WRITE',
    ].map(codeOf),
  ).toEqual(['full', 'busy', 'damaged', 'damaged', 'failed']);
  expect(toLedgerError(Object.assign(new Error('x'), { code: 'ENOSPC' })).code).toBe('full');
});

test('a full disk refuses the commit, changes nothing, and is over when there is room', async () => {
  const { ledger, file } = await newLedger();
  ledger.received(arrivalOf(1), 10);
  await ledger.close();
  const cramped = new BetterSqlite3(file);
  migrate(cramped);
  const pages = Number(cramped.pragma('page_count', { simple: true }));
  cramped.pragma(`max_page_count = ${pages}`);
  const fill = cramped.prepare(`INSERT INTO events (study, at, kind, text) VALUES (1, 1, 'x', ?)`);
  expect(() => fill.run('x'.repeat(100_000))).toThrow(expect.objectContaining({ code: 'SQLITE_FULL' }));
  cramped.close();
  const after = openLedger(file);
  expect(after.standing('front').size).toBe(1);
  expect(after.events('1.2.3')).toEqual([]);
  await after.close();
});
