import { api } from '../lib/api.ts';
import type { FarmBackend } from '../lib/contract.ts';
import { counted } from '../lib/format.ts';
import { Ask } from '../ui/dialog.tsx';

export type Wanted = 'ready' | 'drain' | 'maint';

const titles: Readonly<Record<Wanted, (name: string) => string>> = {
  ready: (name) => `Bring ${name} back`,
  drain: (name) => `Drain ${name}`,
  maint: (name) => `Put ${name} into maintenance`,
};
const verbs: Readonly<Record<Wanted, string>> = {
  ready: 'Bring it back',
  drain: 'Drain it',
  maint: 'Stop sending to it',
};

export function SetState({
  one,
  wanted,
  onClose,
}: {
  one: FarmBackend;
  wanted: Wanted;
  onClose: () => void;
}) {
  const waiting = counted(one.waiting.instances, 'image');
  return (
    <Ask
      title={titles[wanted](one.name)}
      verb={verbs[wanted]}
      danger={wanted === 'maint'}
      act={() => api('PATCH', `/backends/${encodeURIComponent(one.name)}`, { state: wanted })}
      onClose={onClose}
    >
      {wanted === 'ready' && (
        <p>New studies may be placed on {one.name} again, and what waits for it is sent.</p>
      )}
      {wanted === 'drain' && (
        <ul>
          <li>No new study is placed on {one.name} from now on; the other backends take them.</li>
          <li>Studies bound to it are finished there: {waiting} waiting now, and late images of them.</li>
          <li>What it holds stays on it and can be read. Nothing is lost.</li>
        </ul>
      )}
      {wanted === 'maint' && (
        <ul>
          <li>Nothing at all is sent to {one.name} from now on: you may stop it, update it, restart it.</li>
          <li>
            Images bound to it wait on the front ({waiting} now) until it is back, or their study is bound
            anew.
          </li>
          <li>Nothing is lost; but if it stays away for long, the front fills up.</li>
        </ul>
      )}
    </Ask>
  );
}
