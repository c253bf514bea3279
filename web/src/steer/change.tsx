import { useState } from 'preact/hooks';
import { api } from '../lib/api.ts';
import type { FarmBackend } from '../lib/contract.ts';
import { Ask } from '../ui/dialog.tsx';
import { bodyOf, emptyDraft, Settings } from './settings.tsx';

export function Change({ one, onClose }: { one: FarmBackend; onClose: () => void }) {
  const [draft, setDraft] = useState(emptyDraft);
  const body = bodyOf(draft);
  return (
    <Ask
      title={`Change ${one.name}`}
      verb="Change it"
      ready={Object.keys(body).length > 0}
      act={() => api('PUT', `/backends/${encodeURIComponent(one.name)}`, body)}
      onClose={onClose}
    >
      <p>
        What is left empty stays as it is; it is at {one.url} now, with {one.lanes} lanes. The change is
        written into the topology and counts at once.
      </p>
      <Settings draft={draft} set={setDraft} isNew={false} />
    </Ask>
  );
}
