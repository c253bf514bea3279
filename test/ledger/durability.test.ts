import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { arrivalOf, newLedger } from './support.ts';

test('an fsync that failed is told once, and nothing counts as durable after it', async () => {
  const lost: string[] = [];
  const { ledger, file } = await newLedger({ onDurabilityLost: (error) => lost.push(error.code) });
  ledger.received(arrivalOf(1), 1);
  await ledger.durable();
  expect(lost).toEqual([]);

  // Something that cannot be synced takes the place of the descriptor that reads the log.
  const descriptor = readerOf(`${file}-wal`);
  closeSync(descriptor);
  expect(openSync('/dev/null', 'r')).toBe(descriptor);
  for (let number = 2; number < 5; number += 1) {
    ledger.received(arrivalOf(number), number);
    await expect(ledger.durable()).rejects.toMatchObject({ name: 'LedgerError' });
  }
  expect(lost).toHaveLength(1);
});

/** The descriptor of this process that has the file open for reading alone; SQLite's own are for writing too. */
function readerOf(file: string): number {
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const readOnly = /^flags:\s+\d*0$/m.test(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'));
      if (readOnly && readlinkSync(`/proc/self/fd/${name}`) === file) return Number(name);
    } catch (error) {
      // The one that lists them is among them, and gone by now.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  throw new Error(`nobody reads ${file}`);
}
