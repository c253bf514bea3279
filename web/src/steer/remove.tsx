import { useState } from 'preact/hooks';
import { ApiProblem, api } from '../lib/api.ts';
import type { FarmBackend } from '../lib/contract.ts';
import { counted } from '../lib/format.ts';
import { Ask } from '../ui/dialog.tsx';
import { Text } from '../ui/field.tsx';

export function Remove(props: { one: FarmBackend; onClose: () => void; onEvacuate: () => void }) {
  const { name, instances } = props.one;
  const [typed, setTyped] = useState('');
  const [isBound, setBound] = useState(false);
  const remove = async (): Promise<void> => {
    try {
      await api('DELETE', `/backends/${encodeURIComponent(name)}`, { confirm: true });
    } catch (error) {
      setBound(error instanceof ApiProblem && error.code === 'still-bound');
      throw error;
    }
  };
  return (
    <Ask
      title={`Remove ${name}`}
      verb="Remove it"
      danger
      ready={typed === name}
      act={remove}
      onClose={props.onClose}
    >
      <ul>
        <li>{name} leaves the topology; the fronts forget it as a peer, without a restart.</li>
        <li>
          What it holds{instances === null ? '' : ` (${counted(instances, 'image')})`} stays on it, and is not
          found from here any more. An Orthanc that this farm runs itself (“run” in the topology) is stopped,
          and its storage kept.
        </li>
        <li>
          It is refused while studies are bound to it, and drained then. Evacuate it first to keep everything
          within reach.
        </li>
      </ul>
      {isBound && (
        <p>
          <button type="button" onClick={props.onEvacuate}>
            Evacuate {name} instead
          </button>
        </p>
      )}
      <Text label={`Type ${name} to go on`} value={typed} onValue={setTyped} />
    </Ask>
  );
}
