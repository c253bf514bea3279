import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { migrations } from '../../src/ledger/migrations.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { smallDisk, testOnSmallDisk } from '../support/small-disk.ts';
import { invariantsOf } from './invariants-of.ts';
import { slowMigration } from './slow-migration.ts';
import { arrivalOf, claimed, concludeAll, ledgerFile, placing, proven } from './support.ts';

/** A ledger with a bit of everything in it, closed. */
async function filled(file: string): Promise<void> {
  const ledger = openLedger(file);
  ledger.receivedMany(
    Array.from({ length: 2000 }, (_, number) => arrivalOf(number, { studyUid: `1.2.${number >> 6}` })),
    1,
  );
  for (let study = 0; study < 20; study += 1) ledger.decide(placing('b1', { studyUid: `1.2.${study}` }));
  concludeAll(ledger, claimed(ledger, 'b1', 2), proven, 3);
  claimed(ledger, 'b1', 4);
  await ledger.close();
}

/** Everything in a ledger, as text. */
function contentOf(file: string): string {
  const eye = new BetterSqlite3(file, { fileMustExist: true });
  try {
    const tables = eye
      .prepare<[], string>(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
      .pluck();
    return JSON.stringify([
      eye.pragma('user_version'),
      eye.prepare('SELECT * FROM sqlite_schema').all(),
      ...tables.all().map((table) => eye.prepare(`SELECT * FROM "${table}"`).all()),
    ]);
  } finally {
    eye.close();
  }
}

test('a migration that fails in the middle leaves the ledger as it was, and the release before goes on with it', async () => {
  const file = await ledgerFile();
  await filled(file);
  const before = contentOf(file);
  for (const broken of [
    `${slowMigration} INSERT INTO nowhere VALUES (1);`,
    `${slowMigration} INSERT INTO studies (uid, first_seen_at, last_news_at) SELECT uid, 0, 0 FROM studies;`,
  ]) {
    expect(() => openLedger(file, { migrations: [...migrations, broken] })).toThrow(
      expect.objectContaining({ code: 'failed' }),
    );
    expect(contentOf(file)).toBe(before);
  }
  await openLedger(file).close();
});

test('before an older ledger is brought up to date a copy of it is kept, which is fit to go back to', async () => {
  const file = await ledgerFile();
  await filled(file);
  const before = readFileSync(file);
  const version = migrations.length + 1;
  const newer = openLedger(file, { migrations: [...migrations, slowMigration] });
  newer.received(arrivalOf(9999), 5);
  await newer.close();
  expect(() => openLedger(file)).toThrow(expect.objectContaining({ code: 'newer' }));

  const kept = `${file}.before-v${version}`;
  const copy = readFileSync(kept);
  expect(copy.subarray(100).equals(before.subarray(100))).toBe(true);
  const back = openLedger(kept);
  onTestFinished(() => back.close());
  expect(back.study('1.2.0')?.instances.received).toBeGreaterThan(0);
  // Neither a new ledger nor one of this version is copied.
  const folder = dirname(file);
  await openLedger(join(folder, 'new')).close();
  await openLedger(join(folder, 'new')).close();
  expect(readdirSync(folder).filter((name) => name.startsWith('new.'))).toEqual([]);
});

test('the first version of the ledger, with content, becomes the newest', async () => {
  const file = await ledgerFile();
  const first = new BetterSqlite3(file);
  first.exec(migrations[0] ?? '');
  first.pragma('user_version = 1');
  first.exec(`
    INSERT INTO studies (uid, first_seen_at, last_news_at) VALUES ('1.2.3', 1, 1);
    INSERT INTO instances (study, front, orthanc_id, series_uid, sop_uid, state, bytes, bytes_exact, arrived_at, changed_at)
      VALUES (1, 'front', 'instance-1', '1', '1', 'held', 10, 1, 1, 1);
    INSERT INTO backends (name) VALUES ('b1');
    INSERT INTO decisions (study, copy, epoch, at, policy, kind, backend, reason, considered) VALUES (1, 0, 1, 1, 'p', 'placed', 'b1', 'r', '[]');
    INSERT INTO assignments (study, copy, epoch, backend, decision, assigned_at) VALUES (1, 0, 1, 'b1', 1, 1);
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at) VALUES (1, 1, 0, 1, 'front', 'b1', 10, 1);
  `);
  first.close();
  const ledger = openLedger(file);
  expect(ledger.study('1.2.3')).toMatchObject({
    state: 'assigned',
    assignments: [{ backend: 'b1', epoch: 1 }],
  });
  concludeAll(ledger, claimed(ledger, 'b1', 2), proven, 3);
  await ledger.close();
  const eye = new BetterSqlite3(file);
  expect(invariantsOf(eye)).toEqual({});
  eye.close();
  expect(existsSync(`${file}.before-v${migrations.length}`)).toBe(true);
});

testOnSmallDisk(
  import.meta.filename,
  'without room for that copy nothing is changed, and one sentence says what is needed',
  {},
  async () => {
    const disk = await smallDisk(90);
    onTestFinished(() => disk.remove());
    const file = join(disk.path, 'ledger.sqlite');
    await filled(file);
    const before = readFileSync(file);
    disk.fill(60 * 1024 * 1024);
    const newer = { migrations: [...migrations, slowMigration] };
    expect(() => openLedger(file, newer)).toThrow(
      expect.objectContaining({
        code: 'full',
        message: expect.stringMatching(/There is no room .* MB are needed/),
      }),
    );
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(disk.path).filter((name) => name.includes('before'))).toEqual([]);
    disk.free();
    await openLedger(file, newer).close();
  },
);

test('killed in the middle of a migration, the ledger is of one version or the other, with all that was in it', async () => {
  const file = await ledgerFile();
  await filled(file);
  const instances = countOf(file);
  let whole = 0;
  for (const delayMs of [0, 20, 60, 120, 250]) {
    const child = spawn(process.execPath, [
      fileURLToPath(new URL('./doing-child.ts', import.meta.url)),
      file,
      'migrate',
    ]);
    const ended = once(child, 'close');
    await once(child.stdout, 'data');
    // How far it comes in that time is up to the machine; the point is that it does not matter.
    await Promise.race([pause(delayMs), ended]);
    child.kill('SIGKILL');
    await ended;
    const eye = new BetterSqlite3(file);
    const version = Number(eye.pragma('user_version', { simple: true }));
    const isNew = eye.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'tints'`).get() !== undefined;
    expect(isNew).toBe(version === migrations.length + 1);
    expect(invariantsOf(eye)).toEqual({});
    eye.close();
    expect(countOf(file)).toBeGreaterThanOrEqual(instances);
    if (isNew) break;
    whole += 1;
  }
  expect(whole, 'never killed before the end').toBeGreaterThan(0);
});

function countOf(file: string): number {
  const eye = new BetterSqlite3(file);
  try {
    return Number(eye.prepare('SELECT count(*) FROM instances').pluck().get());
  } finally {
    eye.close();
  }
}
