import { useState } from 'preact/hooks';
import { api } from '../lib/api.ts';
import type { FarmBackend } from '../lib/contract.ts';
import { Ask } from '../ui/dialog.tsx';
import { Text } from '../ui/field.tsx';

export function Weigh({ one, onClose }: { one: FarmBackend; onClose: () => void }) {
  const [percent, setPercent] = useState(String(Math.round(one.weight * 100)));
  const value = Number(percent);
  const isFine = percent.trim() !== '' && Number.isFinite(value) && value >= 0 && value <= 10_000;
  return (
    <Ask
      title={`Weight of ${one.name}`}
      verb="Set the weight"
      ready={isFine}
      act={() => api('PATCH', `/backends/${encodeURIComponent(one.name)}`, { weight: value / 100 })}
      onClose={onClose}
    >
      <p>
        How much of the new studies it gets beside the others. 100 % is usual; at 50 % it is taken for half as
        fast as it is; at 0 % it gets nothing new.
      </p>
      <Text
        label="Weight in percent"
        type="number"
        min={0}
        max={10000}
        step="any"
        value={percent}
        onValue={setPercent}
      />
    </Ask>
  );
}
