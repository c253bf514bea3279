import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { type LedgerOptions, openLedger } from '../../src/ledger/open.ts';
import { tempDir } from '../support/temp.ts';

export * from './driving.ts';

export async function ledgerFile(): Promise<string> {
  const folder = await tempDir('ledger');
  onTestFinished(() => folder.remove());
  return join(folder.path, 'ledger.db');
}

/** An empty ledger in a folder of its own; closed and removed with the test. */
export async function newLedger(options?: LedgerOptions): Promise<{ ledger: Ledger; file: string }> {
  const file = await ledgerFile();
  const ledger = openLedger(file, options);
  onTestFinished(() => ledger.close());
  return { ledger, file };
}
