import { useState } from 'preact/hooks';
import { api } from '../lib/api.ts';
import type { FarmBackend } from '../lib/contract.ts';
import { counted } from '../lib/format.ts';
import { backendNames } from '../lib/live.ts';
import { Ask } from '../ui/dialog.tsx';
import { Select, Text } from '../ui/field.tsx';

export function Evacuate({ one, onClose }: { one: FarmBackend; onClose: () => void }) {
  const [target, setTarget] = useState('');
  const [pace, setPace] = useState('');
  const others = backendNames.value.filter((name) => name !== one.name);
  const megabytes = Number(pace);
  const isFine = pace.trim() === '' || (Number.isFinite(megabytes) && megabytes >= 0.001);
  return (
    <Ask
      title={`Evacuate ${one.name}`}
      verb="Evacuate it"
      danger
      ready={isFine}
      act={() =>
        api('POST', `/backends/${encodeURIComponent(one.name)}/evacuation`, {
          target: target === '' ? null : target,
          bytesPerSecond: pace.trim() === '' ? null : Math.round(megabytes * 1e6),
        })
      }
      onClose={onClose}
    >
      <ul>
        <li>
          Everything {one.name} holds{one.instances === null ? '' : `, ${counted(one.instances, 'image')},`}{' '}
          moves to other backends, study by study, while all goes on.
        </li>
        <li>Each image is proven on its new backend before it is deleted here.</li>
        <li>It gets no new studies meanwhile. It can be stopped; what was moved stays moved.</li>
      </ul>
      <div class="fields">
        <Select
          label="To"
          value={target}
          onValue={setTarget}
          options={[['', 'whichever the policy chooses'], ...others.map((name) => [name, name] as const)]}
        />
        <Text
          label="At most MB per second"
          type="number"
          min={0}
          step="any"
          value={pace}
          onValue={setPace}
          placeholder="as fast as it goes"
        />
      </div>
    </Ask>
  );
}
