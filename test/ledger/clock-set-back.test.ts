import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLedger } from '../../src/ledger/open.ts';
import { tempDir } from '../support/temp.ts';
import { arrivalOf, claimed, concludeAll, placing, proven } from './driving.ts';

const day = 86_400_000;

test('what was put off or had news by a clock that went ahead is due when the service starts with the right one', async () => {
  await using dir = await tempDir('clock');
  const file = join(dir.path, 'ledger.sqlite');
  const ahead = openLedger(file);
  ahead.received(arrivalOf(1), day);
  ahead.decide(placing('a'));
  const outcome = { kind: 'retry', code: 'send-failed', detail: '', notBefore: day + 20_000 } as const;
  concludeAll(ahead, claimed(ahead, 'a', day), outcome, day);
  await ahead.close();

  const ledger = openLedger(file);
  ledger.recover(1000);
  expect(ledger.nextAttemptAt('a')).toBe(0);
  concludeAll(ledger, claimed(ledger, 'a', 1000), proven, 1000);
  expect(ledger.settled(1500, 10)).toEqual(['1.2.3']);
  await ledger.close();
});

test('what is put off for a while stays so over a restart', async () => {
  await using dir = await tempDir('clock');
  const file = join(dir.path, 'ledger.sqlite');
  const before = openLedger(file);
  before.received(arrivalOf(1), 1000);
  before.decide(placing('a'));
  const outcome = { kind: 'retry', code: 'send-failed', detail: '', notBefore: 61_000 } as const;
  concludeAll(before, claimed(before, 'a', 1000), outcome, 1000);
  await before.close();
  const ledger = openLedger(file);
  ledger.recover(2000);
  expect(ledger.nextAttemptAt('a')).toBe(61_000);
  await ledger.close();
});
