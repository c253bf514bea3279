import { useState } from 'preact/hooks';
import type { StudyAnswer } from '../../../src/admin/schemas.ts';
import { api } from '../lib/api.ts';
import { counted, size } from '../lib/format.ts';
import { backendNames } from '../lib/live.ts';
import { Ask } from '../ui/dialog.tsx';
import { Select } from '../ui/field.tsx';

export function Rebind({ study, onClose }: { study: StudyAnswer; onClose: () => void }) {
  const [backend, setBackend] = useState('');
  const others = backendNames.value.filter((name) => name !== study.backend);
  return (
    <Ask
      title="Bind this study to another backend"
      verb="Bind it anew"
      act={() =>
        api(
          'POST',
          `/studies/${encodeURIComponent(study.studyInstanceUID)}/rebind`,
          backend === '' ? {} : { backend },
        )
      }
      onClose={onClose}
    >
      <p>
        {counted(study.instances.received, 'image')} ({size(study.bytes)}) move from{' '}
        {study.backend ?? 'no backend'} to another backend, whole.
      </p>
      <ul>
        <li>Images still on the front are sent to the new backend.</li>
        <li>
          What {study.backend ?? 'the old one'} has is moved over, and deleted there only when all of it is
          proven.
        </li>
        <li>Late images follow to the new backend.</li>
      </ul>
      <Select
        label="To"
        value={backend}
        onValue={setBackend}
        options={[['', 'whichever the policy chooses'], ...others.map((name) => [name, name] as const)]}
      />
    </Ask>
  );
}
