import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openLedger } from '../../src/ledger/open.ts';
import { never } from './invariants.ts';
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
    expect(eye.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(eye.pragma('foreign_key_check')).toEqual([]);
    for (const [what, sql] of Object.entries(never)) {
      expect(eye.prepare<unknown[], { n: number }>(sql).get()?.n, what).toBe(0);
    }
    const kept = eye
      .prepare(`SELECT count(*) FROM instances WHERE CAST(substr(orthanc_id, 10) AS INTEGER) <= ?`)
      .pluck()
      .get(last);
    expect(kept).toBe(last + 1);
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
