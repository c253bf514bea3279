import type { JournalEntry } from '../ledger/ledger.ts';
import type { JournalAnswer } from './observe-schemas.ts';
import { iso } from './present-failover.ts';

export function presentJournal(entry: JournalEntry): JournalAnswer {
  return {
    id: entry.id,
    at: iso(entry.at),
    kind: entry.kind,
    studyInstanceUID: entry.studyUid,
    backend: entry.backend,
    who: entry.who,
    text: entry.text,
  };
}
