import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { openLedger } from '../../src/ledger/open.ts';
import { backupMark } from '../../src/ledger/recovery-inspect.ts';
import { smallDisk, testOnSmallDisk } from '../support/small-disk.ts';
import { invariantsOf } from './invariants-of.ts';
import { arrivalOf, claimed, concludeAll, ledgerFile, newLedger, placing, proven } from './support.ts';

test('a copy made under load is one moment of the ledger, and holds up nothing for long', async () => {
  const { ledger, file } = await newLedger({ checkpoint: { startBytes: 200_000, restartBytes: 800_000 } });
  const copy = `${file}.copy`;
  writeFileSync(copy, 'what was there before');
  let number = 0;
  const write = (): void => {
    number += 1;
    const studyUid = `1.2.${number >> 3}`;
    ledger.received(arrivalOf(number, { studyUid }), number);
    if (number % 8 === 3) ledger.decide(placing('b1', { studyUid }));
    if (number % 16 === 0) concludeAll(ledger, claimed(ledger, 'b1', number), proven, number);
  };
  while (number < 3000) write();

  const shares: number[] = [];
  let isOver = false;
  let longestMs = 0;
  const backup = ledger
    .backup(copy, (share) => {
      shares.push(share);
      expect(readFileSync(copy, 'utf8').startsWith('what was'), 'replaced before it is whole').toBe(true);
    })
    .finally(() => (isOver = true));
  const before = number;
  for (let last = performance.now(); !isOver; ) {
    write();
    await new Promise(setImmediate);
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }
  await backup;
  expect(number).toBeGreaterThan(before);
  // A commit that waits for the copy would wait for as long as SQLite's time-out, 5 s; less is the machine.
  expect(longestMs).toBeLessThan(2500);
  expect(shares.length).toBeGreaterThan(0);
  expect(shares.toSorted((one, other) => one - other)).toEqual(shares);
  expect(readdirSync(dirname(file)).filter((name) => name.includes('partial'))).toEqual([]);

  const eye = new BetterSqlite3(copy);
  onTestFinished(() => void eye.close());
  expect(invariantsOf(eye)).toEqual({});
  const kept = eye.prepare('SELECT count(*) FROM instances').pluck().get();
  expect(kept).toBeGreaterThanOrEqual(before);
  expect(kept).toBeLessThan(number);
  expect(eye.pragma('application_id', { simple: true })).toBe(backupMark);
});

test('a copy that cannot be written leaves what was there, and says why', async () => {
  const { ledger, file } = await newLedger();
  const folder = dirname(file);
  await expect(ledger.backup(join(folder, 'nowhere', 'copy'))).rejects.toMatchObject({ name: 'LedgerError' });
  await expect(ledger.backup(folder)).rejects.toMatchObject({ code: 'failed' });
  expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  ledger.received(arrivalOf(1), 1);
  await Promise.all([ledger.backup(`${file}.1`), ledger.backup(`${file}.2`)]);
  expect(existsSync(`${file}.1`) && existsSync(`${file}.2`)).toBe(true);
});

test('closing gives a copy up, and waits for nothing', async () => {
  const { ledger, file } = await newLedger();
  ledger.receivedMany(
    Array.from({ length: 20_000 }, (_, number) => arrivalOf(number, { studyUid: `1.2.${number % 50}` })),
    1,
  );
  const backup = ledger.backup(`${file}.copy`);
  const outcome = backup.then(
    () => 'made',
    (error: unknown) => error,
  );
  await ledger.close();
  const result = await outcome;
  if (result !== 'made') {
    expect(result).toMatchObject({ code: 'failed' });
    expect(existsSync(`${file}.copy`)).toBe(false);
  }
  expect(readdirSync(dirname(file)).filter((name) => name.includes('partial'))).toEqual([]);
});

testOnSmallDisk(
  import.meta.filename,
  'without room for the copy nothing is begun, and the ledger keeps the rest of the disk',
  {},
  async () => {
    const disk = await smallDisk(80);
    onTestFinished(() => disk.remove());
    const ledger = openLedger(join(disk.path, 'ledger.sqlite'));
    onTestFinished(() => ledger.close());
    disk.fill(50 * 1024 * 1024);
    await expect(ledger.backup(join(disk.path, 'copy'))).rejects.toMatchObject({
      code: 'full',
      message: expect.stringContaining('There is no room in'),
    });
    ledger.received(arrivalOf(1), 1);
    disk.free();
    await ledger.backup(join(disk.path, 'copy'));
  },
);

test('put back, a backup forgets what was under way: what the fronts still hold is taken up, nothing else is missed', async () => {
  const { ledger, file } = await newLedger();
  ledger.received(arrivalOf(0), 1);
  ledger.decide(placing('b1', { clean: true }));
  concludeAll(ledger, claimed(ledger, 'b1', 1), proven, 1);
  for (const number of [1, 2, 3]) ledger.received(arrivalOf(number), 1);
  ledger.received(arrivalOf(4, { studyUid: '1.9' }), 1);
  const transfer = claimed(ledger, 'b1', 2, { instances: 2, bytes: 1e9 });
  const copy = `${file}.copy`;
  await ledger.backup(copy);
  concludeAll(ledger, transfer, proven, 3);
  // As people do it: the log of the ledger before is left beside the copy.
  writeFileSync(`${copy}-wal`, readFileSync(`${file}-wal`));
  expect(readFileSync(`${copy}-wal`).length).toBeGreaterThan(0);

  const restored = openLedger(copy);
  onTestFinished(() => restored.close());
  expect(readdirSync(dirname(file)).some((name) => /copy\.left-.*-wal$/.test(name))).toBe(true);
  expect([...restored.standing('front').keys()]).toEqual(['instance-0']);
  expect(restored.queue()).toMatchObject({ instances: 0, quarantined: 0 });
  expect(restored.events('1.2.3')).toMatchObject([{ kind: 'ledger-restored' }]);
  restored.recover(10);
  expect(restored.absent('front', ['instance-0'], 10)).toMatchObject({ removed: 1, vanished: 0 });
  expect(restored.study('1.2.3')).toMatchObject({ state: 'removed', assignments: [{ backend: 'b1' }] });
  restored.receivedMany([arrivalOf(2), arrivalOf(4, { studyUid: '1.9' }), arrivalOf(5)], 11);
  const again = claimed(restored, 'b1', 12);
  expect(again.deliveries.map(({ orthancId, ours }) => ({ orthancId, ours }))).toEqual([
    { orthancId: 'instance-2', ours: false },
    { orthancId: 'instance-5', ours: false },
  ]);
  const eye = new BetterSqlite3(copy, { readonly: true });
  expect(invariantsOf(eye)).toEqual({});
  expect(eye.pragma('application_id', { simple: true })).toBe(0);
  eye.close();
});

test('killed while it makes a copy, the ledger opens clean and the copy is whole or not there', async () => {
  const file = await ledgerFile();
  const copy = `${file}.copy`;
  for (const delayMs of [0, 4, 16]) {
    const child = spawn(process.execPath, [
      fileURLToPath(new URL('./doing-child.ts', import.meta.url)),
      file,
      'backup',
    ]);
    await once(child.stdout, 'data');
    setTimeout(() => child.kill('SIGKILL'), delayMs);
    await once(child, 'close');
    const ledger = openLedger(file);
    await ledger.close();
    const eye = new BetterSqlite3(file);
    expect(invariantsOf(eye)).toEqual({});
    eye.close();
    if (!existsSync(copy)) continue;
    const made = new BetterSqlite3(copy);
    expect(invariantsOf(made)).toEqual({});
    made.close();
  }
});
