import { useState } from 'preact/hooks';
import type { QuarantineAction, QuarantineAnswer } from '../../../src/admin/failover-schemas.ts';
import { api, apiUrl, get } from '../lib/api.ts';
import type { Page } from '../lib/contract.ts';
import { size } from '../lib/format.ts';
import { backendNames } from '../lib/live.ts';
import { useAction, useLoad } from '../lib/load.ts';
import { mayAdmin, mayOperate } from '../lib/session.ts';
import { Ask } from '../ui/dialog.tsx';
import { Select, Text, Tick } from '../ui/field.tsx';
import { Badge, Card, Empty, Loading, Time, Trouble, Uid } from '../ui/parts.tsx';

const codes: Readonly<Record<QuarantineAnswer['code'], string>> = {
  conflict: 'other content there',
  refused: 'refused',
  unreadable: 'unreadable',
};

interface Open {
  readonly action: 'release' | 'discard';
  readonly image: QuarantineAnswer;
}

/** Images that stay on their front until a person decides. */
export function Quarantine() {
  const list = useLoad(
    (signal) => get<Page<QuarantineAnswer>>('/quarantine', { limit: 100 }, signal),
    'quarantine',
    3_000,
  );
  const [open, setOpen] = useState<Open | null>(null);
  const items = list.value?.items ?? [];
  const close = (): void => {
    setOpen(null);
    list.again();
  };
  return (
    <Card title="Quarantine" note="Kept on the front, never dropped, until a person decides">
      <Trouble problem={list.problem} />
      {list.loading && <Loading what="the quarantine" />}
      {list.value !== null && items.length === 0 && (
        <Empty title="Nothing is in quarantine">
          <p>What cannot be delivered without a person would be listed here, with what you can do.</p>
        </Empty>
      )}
      <ul class="lines">
        {items.map((image) => (
          <Item key={`${image.front} ${image.orthancId}`} image={image} open={setOpen} again={list.again} />
        ))}
      </ul>
      {list.value !== null && list.value.next !== null && (
        <p class="note">There are more; they come as these are decided.</p>
      )}
      {open?.action === 'release' && <Release image={open.image} onClose={close} />}
      {open?.action === 'discard' && <Discard image={open.image} onClose={close} />}
    </Card>
  );
}

function Item({
  image,
  open,
  again,
}: {
  image: QuarantineAnswer;
  open: (open: Open) => void;
  again: () => void;
}) {
  const { busy, problem, run } = useAction();
  const can = (action: QuarantineAction): boolean => image.actions.includes(action);
  const retry = (): void =>
    run(async () => {
      await api('POST', '/quarantine/retry', { study: image.studyInstanceUID, instance: image.orthancId });
      again();
    });
  return (
    <li class="stack quarantined-image">
      <div>
        <p class="row">
          <Badge tone="bad">{codes[image.code]}</Badge>
          <span class="soft small-text">
            {size(image.bytes)} on {image.front}, <Time at={image.since} />
          </span>
        </p>
        <p class="uid">{image.sopInstanceUID}</p>
        <p class="soft small-text">
          of study <Uid uid={image.studyInstanceUID} />
        </p>
        <p>{image.detail}</p>
        <p class="note">{image.advice}</p>
      </div>
      <Trouble problem={problem} />
      {mayOperate.value && (
        <div class="row" role="group" aria-label={`Actions for ${image.sopInstanceUID}`}>
          {can('retry') && (
            <button type="button" class="small" disabled={busy} onClick={retry}>
              Try again
            </button>
          )}
          {can('release') && (
            <button type="button" class="small" onClick={() => open({ action: 'release', image })}>
              Release
            </button>
          )}
          {can('download') && (
            <a
              class="button small"
              href={apiUrl(`/quarantine/${encodeURIComponent(image.front)}/${image.orthancId}/file`)}
              download={`${image.orthancId}.dcm`}
            >
              Download
            </a>
          )}
          {can('discard') && mayAdmin.value && (
            <button type="button" class="small" onClick={() => open({ action: 'discard', image })}>
              Discard
            </button>
          )}
        </div>
      )}
    </li>
  );
}

function Release({ image, onClose }: { image: QuarantineAnswer; onClose: () => void }) {
  const names = backendNames.value;
  const [backend, setBackend] = useState(names[0] ?? '');
  const [replace, setReplace] = useState(false);
  return (
    <Ask
      title="Release from quarantine"
      verb={replace ? 'Replace it there' : 'Send it now'}
      danger={replace}
      ready={backend !== ''}
      act={() =>
        api(
          'POST',
          `/quarantine/${encodeURIComponent(image.front)}/${image.orthancId}/release`,
          { backend, replace },
          { timeoutMs: 120_000 },
        )
      }
      onClose={onClose}
    >
      <p>It is sent to the backend now, proven there by its MD5, and the front lets go of it.</p>
      <Select
        label="To"
        value={backend}
        onValue={setBackend}
        options={names.map((name) => [name, name] as const)}
      />
      <Tick checked={replace} onValue={setReplace}>
        Replace what the backend has under this SOPInstanceUID. Its other content is deleted and cannot be had
        back.
      </Tick>
    </Ask>
  );
}

function Discard({ image, onClose }: { image: QuarantineAnswer; onClose: () => void }) {
  const [typed, setTyped] = useState('');
  return (
    <Ask
      title="Discard this image for good"
      verb="Discard it"
      danger
      ready={typed.trim().toLowerCase() === 'discard'}
      act={() =>
        api('POST', `/quarantine/${encodeURIComponent(image.front)}/${image.orthancId}/discard`, {
          confirm: true,
        })
      }
      onClose={onClose}
    >
      <p>
        It is deleted on {image.front}. Nobody else has it: <strong>it cannot be had back.</strong> Download
        it first if there is any doubt. That you discarded it stays in the ledger.
      </p>
      <Text label="Type “discard” to go on" value={typed} onValue={setTyped} />
    </Ask>
  );
}
