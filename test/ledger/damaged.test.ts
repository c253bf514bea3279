import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { lockLedger } from '../../src/ledger/lock.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { openOrBeginAnew, type Recovered } from '../../src/ledger/recovery.ts';
import { until } from '../support/wait.ts';
import { arrivalOf, claimed, concludeAll, ledgerFile, placing, proven } from './support.ts';

const now = Date.UTC(2026, 10, 24, 9, 30);

/** A ledger in which something would be missed: an operator's word, and a former copy. */
async function used(): Promise<string> {
  const file = await ledgerFile();
  const ledger = openLedger(file);
  ledger.receivedMany(
    Array.from({ length: 3000 }, (_, number) => arrivalOf(number, { studyUid: `1.2.${number >> 6}` })),
    1,
  );
  for (let study = 0; study < 40; study += 1) ledger.decide(placing('b1', { studyUid: `1.2.${study}` }));
  concludeAll(ledger, claimed(ledger, 'b1', 2), proven, 3);
  const { kind: _kind, ...again } = placing('b2', { studyUid: '1.2.7' });
  ledger.rebind({ ...again, kind: 'rebound', expectedEpoch: 1 });
  ledger.setBackend({ backend: 'b3', state: 'drain', weight: 2 }, 4);
  await ledger.close();
  return file;
}

function begin(file: string): Recovered {
  const recovered = openOrBeginAnew(file, { usedBefore: true, now });
  onTestFinished(() => recovered.ledger.close());
  return recovered;
}

/** What was set aside, without the common beginning of the names. */
function aside(file: string): string[] {
  return readdirSync(dirname(file))
    .filter((name) => name.startsWith(`${basename(file)}.damaged`))
    .map((name) => name.slice(basename(file).length))
    .toSorted();
}

function overwrite(file: string, at: number, bytes: Buffer): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

const garbage = (bytes: number): Buffer => Buffer.alloc(bytes, 'garbage, and nothing but garbage. ');

const damages: Record<string, (file: string) => void> = {
  'something else': (file) => writeFileSync(file, garbage(50_000)),
  'a few bytes': (file) => writeFileSync(file, 'x'),
  'its header overwritten': (file) => overwrite(file, 0, garbage(100)),
  'its schema overwritten': (file) => overwrite(file, 100, garbage(3000)),
  'its version gone': (file) => overwrite(file, 60, Buffer.alloc(4)),
  'its end cut off': (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
  'another database': (file) => {
    rmSync(file);
    const other = new BetterSqlite3(file);
    other.exec('CREATE TABLE songs (title TEXT)');
    other.close();
  },
  'a table missing': (file) => {
    const db = new BetterSqlite3(file);
    db.exec('DROP TABLE events');
    db.close();
  },
  'a log that is none': (file) => writeFileSync(`${file}-wal`, garbage(9000)),
  'a log of three bytes': (file) => writeFileSync(`${file}-wal`, 'abc'),
};

test.each(Object.entries(damages))(
  '%s: moved aside, never deleted, and a new ledger is begun',
  async (_what, damage) => {
    const file = await used();
    damage(file);
    const before = readFileSync(file);
    const hadLog = existsSync(`${file}-wal`);
    expect(() => openLedger(file)).toThrow(expect.objectContaining({ code: 'damaged' }));

    const { ledger, notice } = begin(file);
    const name = '.damaged-20261124T093000Z';
    expect(aside(file).filter((one) => !one.endsWith('-shm'))).toEqual(
      hadLog ? [name, `${name}-wal`] : [name],
    );
    // Not its header, in which SQLite notes how it opened what it took for a database.
    expect(
      readFileSync(file + name)
        .subarray(100)
        .equals(before.subarray(100)),
    ).toBe(true);
    expect(notice).toMatch(
      /^The ledger is damaged: .*; it was moved to ledger\.db\.damaged-20261124T093000Z, and a new one/,
    );
    expect(ledger.auditTrail({ limit: 5 }).items).toMatchObject([
      { who: 'service', action: 'ledger-begun-anew' },
    ]);
    expect(ledger.study('1.2.0')).toBeNull();
    ledger.received(arrivalOf(1), now);
  },
);

test('what only the ledger knew is taken over from what can still be read', async () => {
  const file = await used();
  // Not the table, but an index: SQLite stumbles when it comes across it.
  const page = rootOf(file, 'instances_study');
  overwrite(file, (page - 1) * 4096, garbage(4096));
  writeFileSync(`${file}.damaged`, 'cut off while it was writt');
  const { ledger, notice } = begin(file);
  expect(notice).toContain('settings of 1 backends, 1 former copies');
  expect(ledger.backendSettings()).toEqual([{ backend: 'b3', state: 'drain', weight: 2 }]);
  expect(ledger.formerCopies()).toMatchObject([
    { studyUid: '1.2.7', backend: 'b1', target: 'b2', state: 'waiting' },
  ]);
  expect(ledger.study('1.2.7')).toMatchObject({ assignments: [{ backend: 'b2' }] });
  expect(existsSync(`${file}.damaged`)).toBe(false);
});

test('dying at any step of it costs a repetition and loses neither ledger', async () => {
  const file = await used();
  writeFileSync(`${file}-wal`, garbage(5000));
  const name = `${basename(file)}.damaged-A`;
  const mark = JSON.stringify({ aside: name, why: 'The ledger is damaged: it was said so' });
  // Died after the log was moved.
  writeFileSync(`${file}.damaged`, mark);
  writeFileSync(`${file}.damaged-A-wal`, readFileSync(`${file}-wal`));
  rmSync(`${file}-wal`);
  const first = openOrBeginAnew(file, { usedBefore: true, now });
  expect(first.notice).toContain('it was said so');
  first.ledger.received(arrivalOf(7, { studyUid: '5.5' }), now);
  await first.ledger.close();
  expect(aside(file)).toEqual(['.damaged-A', '.damaged-A-wal']);
  // Died after the new one was begun: it is the new one that is here, and it stays.
  writeFileSync(`${file}.damaged`, mark);
  const second = begin(file);
  expect(second.ledger.study('5.5')).not.toBeNull();
  expect(second.ledger.formerCopies()).toHaveLength(1);
  expect(aside(file)).toEqual(['.damaged-A', '.damaged-A-wal']);
});

test('a ledger that is gone is begun anew, and only where one was used is that worth a word', async () => {
  const file = await ledgerFile();
  expect(openOrBeginAnew(file, { usedBefore: false, now }).notice).toBeNull();
  const gone = await used();
  rmSync(gone);
  expect(begin(gone).notice).toContain('was gone');
  expect(aside(gone)).toEqual([]);
  const emptied = await used();
  truncateSync(emptied);
  expect(begin(emptied).notice).toContain('was gone');
});

test('damage that is met while running is told once, and moved aside by the next start', async () => {
  const file = await used();
  overwrite(file, (rootOf(file, 'instances_study') - 1) * 4096, garbage(4096));
  const told: string[] = [];
  const ledger = openLedger(file, { onDamaged: (error) => told.push(error.code) });
  for (let call = 0; call < 3; call += 1) {
    expect(() => ledger.decide(placing('b1', { studyUid: '1.2.45' }))).toThrow(
      expect.objectContaining({ code: 'damaged' }),
    );
  }
  expect(told).toEqual(['damaged']);
  await ledger.close().catch(() => undefined);
  const { notice } = begin(file);
  expect(notice).toContain('malformed');
  expect(aside(file)).toHaveLength(1);
});

test('after an end out of order all of it is looked at, and damage that nobody met is found', async () => {
  const file = await used();
  const writer = openLedger(file, { checkpoint: { startBytes: 1e9, restartBytes: 1e9 } });
  writer.received(arrivalOf(9000), 5);
  // As a killed process leaves it: with its log.
  const left = `${file}.left`;
  writeFileSync(left, readFileSync(file));
  writeFileSync(`${left}-wal`, readFileSync(`${file}-wal`));
  await writer.close();
  overwrite(left, (rootOf(file, 'decisions') - 1) * 4096, garbage(4096));

  const told: string[] = [];
  const ledger = openLedger(left, { onDamaged: (error) => told.push(error.message) });
  onTestFinished(async () => ledger.close().catch(() => undefined));
  await until(() => told.length > 0, { what: 'the damage to be found' });
  expect(told).toEqual([expect.stringContaining('The ledger is damaged')]);
  expect(existsSync(`${left}.damaged`)).toBe(true);
});

test('a lock with something else in it is mended; one that is held is not', async () => {
  const file = await ledgerFile();
  const first = lockLedger(file);
  expect(first.usedBefore).toBe(false);
  expect(() => lockLedger(file)).toThrow(expect.objectContaining({ code: 'busy' }));
  first.release();
  writeFileSync(`${file}.lock`, garbage(5000));
  const second = lockLedger(file);
  onTestFinished(() => second.release());
  expect(second.usedBefore).toBe(true);
  expect(() => lockLedger(file)).toThrow(expect.objectContaining({ code: 'busy' }));
});

function rootOf(file: string, name: string): number {
  const eye = new BetterSqlite3(file, { readonly: true });
  try {
    return Number(eye.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(name));
  } finally {
    eye.close();
  }
}
