import { expect, test } from 'vitest';
import type { JournalPosition, Ledger } from '../../src/ledger/ledger.ts';
import { arrivalOf, newLedger } from './support.ts';

/** Everything from there on, in pieces of so many. */
function told(ledger: Ledger, from: JournalPosition, pieces: number): string[] {
  const texts: string[] = [];
  for (let position = from; ; ) {
    const piece = ledger.journalAfter(position, pieces);
    texts.push(...piece.map(({ entry }) => entry.id));
    const last = piece.at(-1);
    if (last === undefined) return texts;
    ({ position } = last);
  }
}

test('whoever goes on from any entry is told what comes after it, each once, also when the clock was set back', async () => {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 1);
  const times = [100, 200, 150, 300, 50, 60, 400, 10];
  for (const [index, at] of times.entries()) {
    ledger.addEvent('1.2.3', { at, kind: 'note', text: String(index) });
    ledger.audit({ at: at + 5, who: 'eve', action: 'rebind', target: '1.2.3', detail: '' });
  }
  const all = told(ledger, { event: 0, audit: 0 }, 100);
  expect(all).toHaveLength(16);
  for (const pieces of [1, 2, 3, 5]) expect(told(ledger, { event: 0, audit: 0 }, pieces)).toEqual(all);
  for (const [index, { position }] of ledger.journalAfter({ event: 0, audit: 0 }, 100).entries())
    expect(told(ledger, position, 4)).toEqual(all.slice(index + 1));
  expect(ledger.journalPosition()).toEqual({ event: 8, audit: 8 });
  // Of each table the order stands.
  expect(all.filter((id) => id.startsWith('e'))).toEqual(times.map((_, index) => `e${index + 1}`));

  const page = ledger.journal({}, { limit: 100 });
  expect(page.next).toBeNull();
  expect(new Set(page.items.map(({ id }) => id))).toEqual(new Set(all));
});

test('an empty ledger has an empty journal', async () => {
  const { ledger } = await newLedger();
  expect(ledger.journalPosition()).toEqual({ event: 0, audit: 0 });
  expect(ledger.journal({}, { limit: 10 })).toEqual({ items: [], next: null });
  expect(ledger.journalAfter({ event: 0, audit: 0 }, 10)).toEqual([]);
});
