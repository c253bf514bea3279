import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openLedger } from '../../src/ledger/open.ts';
import { invariantsOf } from './invariants-of.ts';
import { ledgerFile } from './support.ts';

/** Lets a child write until it has acknowledged so many instances, then kills it. Returns the last acknowledged number. */
async function killAfter(file: string, first: number, count: number): Promise<number> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./killed-child.ts', import.meta.url)), file, String(first)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  let complaints = '';
  child.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
    if (said.split('\n').length > count) child.kill('SIGKILL');
  });
  const [, signal] = await once(child, 'close');
  expect(signal, complaints).toBe('SIGKILL');
  return Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1));
}

test('killed at any moment, the ledger opens whole, with everything that was acknowledged', async () => {
  const file = await ledgerFile();
  let first = 0;
  for (const count of [1, 40, 333, 901, 1500, 77]) {
    const last = await killAfter(file, first, count);
    const eye = new BetterSqlite3(file);
    expect(invariantsOf(eye)).toEqual({});
    const kept = eye
      .prepare(`SELECT count(*) FROM instances WHERE CAST(substr(orthanc_id, 10) AS INTEGER) <= ?`)
      .pluck()
      .get(last);
    expect(kept).toBe(last + 1);
    // Who moved a study stands there with the move, never one without the other.
    const [moves, entries] = [`decisions WHERE kind = 'rebound'`, `audit WHERE action = 'rebind'`].map((of) =>
      eye.prepare(`SELECT count(*) FROM ${of}`).pluck().get(),
    );
    expect(entries).toBe(moves);
    first =
      Number(
        eye.prepare(`SELECT max(CAST(substr(orthanc_id, 10) AS INTEGER)) FROM instances`).pluck().get(),
      ) + 1;
    eye.close();
  }
  const ledger = openLedger(file);
  ledger.recover(first);
  expect(ledger.totals().received).toBeGreaterThan(2000);
  await ledger.close();
});

test.each(['checkpoint', 'close'])('killed in the middle of a %s, it opens whole', async (what) => {
  const file = await ledgerFile();
  const child = fileURLToPath(new URL('./doing-child.ts', import.meta.url));
  let before = 0;
  for (const delayMs of [0, 4, 16]) {
    const running = spawn(process.execPath, [child, file, what], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(running, 'close');
    await once(running.stdout, 'data');
    // How far it comes in that time is up to the machine; the point is that it does not matter.
    await Promise.race([pause(delayMs), ended]);
    running.kill('SIGKILL');
    await ended;
    const told: string[] = [];
    const ledger = openLedger(file, { onDamaged: (error) => told.push(error.message) });
    const { received } = ledger.totals();
    expect(received).toBeGreaterThanOrEqual(before + 1500);
    before = received;
    await ledger.close();
    const eye = new BetterSqlite3(file);
    expect(invariantsOf(eye)).toEqual({});
    eye.close();
    expect(told).toEqual([]);
  }
});
