import { useState } from 'preact/hooks';
import { api } from '../lib/api.ts';
import { Ask } from '../ui/dialog.tsx';
import { Text } from '../ui/field.tsx';
import { bodyOf, emptyDraft, Settings } from './settings.tsx';

export function AddBackend({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [draft, setDraft] = useState(emptyDraft);
  return (
    <Ask
      title="Add a backend"
      verb="Add it"
      ready={name.trim() !== '' && draft.url.trim() !== ''}
      act={() => api('POST', '/backends', { name: name.trim(), ...bodyOf(draft) })}
      onClose={onClose}
    >
      <p>
        It is written into the topology, every front learns it as a peer without a restart, and it gets
        studies as soon as it answers.
      </p>
      <Text
        label="Name"
        value={name}
        onValue={setName}
        placeholder="orthanc3"
        required
        hint="Small letters, digits and “-”."
      />
      <Settings draft={draft} set={setDraft} isNew />
    </Ask>
  );
}
