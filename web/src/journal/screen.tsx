import { useState } from 'preact/hooks';
import { get } from '../lib/api.ts';
import type { JournalEntry, Page } from '../lib/contract.ts';
import { journal } from '../lib/live.ts';
import { useAction, useLoad } from '../lib/load.ts';
import { Choices } from '../ui/field.tsx';
import { Card, Loading, Trouble } from '../ui/parts.tsx';
import { AuditTable } from './audit.tsx';
import { JournalList } from './list.tsx';

type View = 'all' | 'people';

/** Everything worth a line, newest first: what people did, and what happened. */
export function JournalScreen() {
  const [view, setView] = useState<View>('all');
  return (
    <>
      <div class="head">
        <div>
          <h1>Journal</h1>
          <p class="note">
            What people did, and what happened to studies and backends. It is kept in the ledger.
          </p>
        </div>
        <Choices<View>
          label="What is shown"
          value={view}
          onValue={setView}
          options={[
            ['all', 'Everything'],
            ['people', 'What people did'],
          ]}
        />
      </div>
      {view === 'all' ? <Everything /> : <AuditTable />}
    </>
  );
}

function Everything() {
  const first = useLoad((signal) => get<Page<JournalEntry>>('/events', { limit: 50 }, signal), 'events');
  const [older, setOlder] = useState<Page<JournalEntry> | null>(null);
  const { busy, problem, run } = useAction();
  const next = older === null ? (first.value?.next ?? null) : older.next;
  const known = [...(first.value?.items ?? []), ...(older?.items ?? [])];
  const ids = new Set(known.map(({ id }) => id));
  // Live entries stand before those that were there when it was asked.
  const entries = [...journal.value.filter(({ id }) => !ids.has(id)), ...known].toSorted((a, b) =>
    b.at.localeCompare(a.at),
  );
  const more = (): void =>
    run(async () => {
      const page = await get<Page<JournalEntry>>('/events', {
        limit: 50,
        ...(next === null ? {} : { cursor: next }),
      });
      setOlder((before) => ({ items: [...(before?.items ?? []), ...page.items], next: page.next }));
    });
  return (
    <Card title="Everything, newest first">
      <Trouble problem={first.problem ?? problem} />
      {first.loading ? <Loading what="the journal" /> : <JournalList entries={entries} />}
      {next !== null && (
        <p class="more">
          <button type="button" disabled={busy} onClick={more}>
            {busy ? 'Loading…' : 'Older entries'}
          </button>
        </p>
      )}
    </Card>
  );
}
