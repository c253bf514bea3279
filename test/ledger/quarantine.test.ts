import { expect, test } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { arrivalOf, claimed, concludeAll, newLedger, placing, proven } from './support.ts';

const study = '1.2.3';
const conflict = { kind: 'quarantine', code: 'conflict', detail: 'other content' } as const;

const givenUp = (at: number) => ({
  at,
  who: 'anna',
  action: 'quarantine-discard',
  target: 'instance',
  detail: 'for a test',
});

/** So many instances in quarantine, numbered from 1. */
async function quarantined(count: number): Promise<Ledger> {
  const { ledger } = await newLedger();
  for (let number = 1; number <= count; number += 1) ledger.received(arrivalOf(number), 10);
  ledger.decide(placing('b1', { clean: true }));
  concludeAll(ledger, claimed(ledger, 'b1', 12), conflict, 13);
  return ledger;
}

test('tried again, one or all of a study, where it is bound now', async () => {
  const ledger = await quarantined(3);
  expect(ledger.requeue(study, 'instance-9', 20)).toBe(0);
  expect(ledger.requeue('9.9', null, 20)).toBe(0);
  expect(ledger.requeue(study, 'instance-1', 20)).toBe(1);
  expect(ledger.requeue(study, 'instance-1', 21)).toBe(0);
  expect(ledger.quarantinedInstance('front', 'instance-1')).toBeNull();
  // Quarantined ones stay where they are when the study goes elsewhere; they follow once they are tried again.
  ledger.rebind({ ...placing('b2', { at: 22, kind: 'rebound' }), expectedEpoch: 1 });
  expect(ledger.requeue(study, null, 23)).toBe(2);
  const { deliveries } = claimed(ledger, 'b2', 24);
  expect(deliveries.map(({ attempts, askFirst, epoch }) => ({ attempts, askFirst, epoch }))).toEqual(
    Array.from({ length: 3 }, () => ({ attempts: 0, askFirst: true, epoch: 2 })),
  );
  expect(ledger.queue().quarantined).toBe(0);
});

test('released to a backend that a person named: removed, once the front has let go of it, and never vanished', async () => {
  const ledger = await quarantined(2);
  expect(ledger.letGo('front', 'instance-1', 20)).toBe(false);
  ledger.released('front', 'instance-1', { backend: 'b9', md5: 'abc' }, 21);
  ledger.released('front', 'unknown', { backend: 'b9', md5: 'abc' }, 21);
  expect(ledger.quarantinedInstance('front', 'instance-1')).not.toBeNull();
  expect(ledger.receipts(study)).toMatchObject([
    { orthancId: 'instance-1', backend: 'b9', copy: -1, epoch: 0, md5: 'abc' },
  ]);
  expect(ledger.letGo('front', 'instance-1', 22)).toBe(true);
  expect(ledger.letGo('front', 'instance-1', 22)).toBe(false);
  ledger.released('front', 'instance-2', { backend: 'b9', md5: 'def' }, 23);
  // The service died before it could say so: the reconciler finds it gone.
  expect(ledger.absent('front', ['instance-1', 'instance-2'], 24)).toMatchObject({ removed: 1, vanished: 0 });
  expect(ledger.study(study)).toMatchObject({
    state: 'removed',
    instances: { received: 2, verified: 0, removed: 2, quarantined: 0, vanished: 0, discarded: 0 },
  });
  expect(ledger.events(study).map(({ kind, text }) => [kind, text])).toEqual([
    ['released', 'instance-1: released to b9, proven there (MD5 abc)'],
    ['released', 'instance-2: released to b9, proven there (MD5 def)'],
  ]);
});

test('content that was sent again after it was released is another, and its release says nothing of it', async () => {
  const ledger = await quarantined(1);
  ledger.released('front', 'instance-1', { backend: 'b9', md5: 'abc' }, 20);
  expect(ledger.requeue(study, 'instance-1', 21)).toBe(1);
  expect(ledger.letGo('front', 'instance-1', 22)).toBe(false);
  concludeAll(ledger, claimed(ledger, 'b1', 23), conflict, 24);
  expect(ledger.letGo('front', 'instance-1', 25)).toBe(false);
  expect(ledger.absent('front', ['instance-1'], 26)).toMatchObject({ removed: 0, vanished: 1 });
});

test('given up by a person: recorded with its size, counted apart, and not tried again', async () => {
  const ledger = await quarantined(2);
  expect(ledger.discarded('front', 'instance-1', givenUp(20))).toBe(true);
  expect(ledger.discarded('front', 'instance-1', givenUp(21))).toBe(false);
  expect(ledger.study(study)?.instances).toMatchObject({ quarantined: 2, discarded: 0 });
  // Not by accident: the front may be about to delete it.
  expect(ledger.requeue(study, null, 22)).toBe(1);
  expect(ledger.letGo('front', 'instance-1', 23)).toBe(true);
  concludeAll(ledger, claimed(ledger, 'b1', 24), { kind: 'absent' }, 25);
  expect(ledger.study(study)).toMatchObject({
    state: 'quarantined',
    instances: { received: 2, removed: 0, quarantined: 0, vanished: 1, discarded: 1 },
  });
  // Also one that is gone without a trace: somebody has taken note.
  ledger.discarded('front', 'instance-2', givenUp(26));
  expect(ledger.study(study)?.state).toBe('quarantined');
  expect(ledger.letGo('front', 'instance-2', 27)).toBe(true);
  expect(ledger.study(study)).toMatchObject({
    state: 'removed',
    instances: { removed: 0, vanished: 0, discarded: 2 },
  });
  expect(ledger.events(study).map(({ text }) => text)).toEqual([
    'instance-1: given up by anna (100 bytes, in quarantine as conflict)',
    '1 instance no longer on front, deleted there before delivery was proven',
    'instance-2: given up by anna (100 bytes, vanished from the front)',
  ]);
  expect(ledger.totals()).toMatchObject({ received: 2, removed: 1, vanished: 1 });

  // Sent once more it is like any other.
  ledger.received(arrivalOf(1), 30);
  expect(ledger.study(study)).toMatchObject({ state: 'assigned', instances: { discarded: 1 } });
  concludeAll(ledger, claimed(ledger, 'b1', 31), proven, 32);
  expect(ledger.study(study)?.instances).toMatchObject({ verified: 1 });
});

test('what people did is listed newest first, every entry once', async () => {
  const { ledger } = await newLedger();
  const entries = Array.from({ length: 11 }, (_, number) => ({
    at: 100 + (number >> 2),
    who: 'anna',
    action: 'rebind',
    target: `1.${number}`,
    detail: `to b${number}`,
  }));
  for (const entry of entries) ledger.audit(entry);
  const paged: unknown[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = ledger.auditTrail(cursor === undefined ? { limit: 3 } : { limit: 3, cursor });
    paged.push(...page.items);
    cursor = page.next;
  }
  expect(paged).toEqual(entries.toReversed());
  expect(() => ledger.auditTrail({ limit: 1, cursor: 'x' })).toThrow('cursor');
});

test('a conflict that is found again as it was is told once, and again when something has happened since', async () => {
  const ledger = await quarantined(2);
  const tell = (at: number, text: string, kind = 'conflict-quarantined'): void =>
    ledger.addEvent(study, { at, kind, text });
  tell(31, 'instance-1: other content');
  tell(32, 'instance-2: other content');
  tell(33, 'instance-1: other content');
  tell(34, 'by somebody', 'rebound');
  tell(35, 'instance-1: other content');
  expect(ledger.events(study).map(({ at }) => at)).toEqual([31, 32, 34, 35]);
});
