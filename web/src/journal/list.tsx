import type { JournalEntry } from '../lib/contract.ts';
import { to } from '../lib/route.ts';
import { Empty, Time, Uid } from '../ui/parts.tsx';

/** @param brief each in three lines at most; the whole is in the journal */
export function JournalList({
  entries,
  brief = false,
}: {
  entries: readonly JournalEntry[];
  brief?: boolean;
}) {
  if (entries.length === 0)
    return (
      <Empty title="Nothing out of the ordinary yet">
        <p>What people do, and what happens to studies beside their usual way, is written here.</p>
      </Empty>
    );
  return (
    <ol class="journal">
      {entries.map((entry) => (
        <li key={entry.id}>
          <p class={brief ? 'brief' : undefined}>
            <strong>{entry.kind.replaceAll('-', ' ')}</strong> {entry.text}
          </p>
          <p class="soft small-text row">
            <Time at={entry.at} />
            {entry.who !== null && <span>by {entry.who}</span>}
            {entry.backend !== null && <a href={to(['backends', entry.backend])}>{entry.backend}</a>}
            {entry.studyInstanceUID !== null && <Uid uid={entry.studyInstanceUID} />}
          </p>
        </li>
      ))}
    </ol>
  );
}
