import { useState } from 'preact/hooks';
import type { TokenAnswer } from '../../../src/admin/account-schemas.ts';
import { api, get } from '../lib/api.ts';
import type { Role } from '../lib/contract.ts';
import { useLoad } from '../lib/load.ts';
import { Ask } from '../ui/dialog.tsx';
import { Select, Text } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge, Card, Empty, Loading, Scroll, Time, Trouble } from '../ui/parts.tsx';

const about: Readonly<Record<Role, string>> = {
  view: 'view: looks at everything, changes nothing',
  operate: 'operate: sends, drains, rebinds, retries',
  admin: 'admin: also adds and removes backends, discards images, makes tokens',
};

export function Tokens() {
  const list = useLoad((signal) => get<{ items: readonly TokenAnswer[] }>('/tokens', {}, signal), 'tokens');
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<TokenAnswer | null>(null);
  const [created, setCreated] = useState<{ name: string; token: string } | null>(null);
  const items = list.value?.items ?? [];
  return (
    <Card
      title="Tokens"
      actions={
        <button type="button" class="primary" onClick={() => setCreating(true)}>
          Create a token
        </button>
      }
    >
      <Trouble problem={list.problem} />
      {created !== null && (
        <div class="hint-box good" role="status">
          <Icon name="good" />
          <div>
            <p>
              The token of <strong>{created.name}</strong>, told only this once:
            </p>
            <p>
              <code class="token">{created.token}</code>
            </p>
          </div>
        </div>
      )}
      {list.loading && <Loading what="the tokens" />}
      {list.value !== null && items.length === 0 && (
        <Empty title="Only the first token is in use">
          <p>It stands in the state folder and may do everything. Give each person one of their own.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <Scroll label="Tokens">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Role</th>
                <th scope="col">Created</th>
                <th scope="col">Last used</th>
                <th scope="col">State</th>
                <th scope="col">
                  <span class="unseen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((one) => (
                <tr key={`${one.name} ${one.createdAt}`}>
                  <td>{one.name}</td>
                  <td>{one.role}</td>
                  <td class="tight">
                    <Time at={one.createdAt} /> <span class="soft">by {one.createdBy}</span>
                  </td>
                  <td class="tight">{one.lastUsedAt === null ? 'never' : <Time at={one.lastUsedAt} />}</td>
                  <td>
                    {one.revokedAt === null ? (
                      <Badge tone="good">valid</Badge>
                    ) : (
                      <Badge tone="idle">revoked</Badge>
                    )}
                  </td>
                  <td class="number">
                    {one.revokedAt === null && (
                      <button type="button" class="small" onClick={() => setRevoking(one)}>
                        Revoke<span class="unseen"> {one.name}</span>
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {creating && (
        <CreateToken
          onCreated={setCreated}
          onClose={() => {
            setCreating(false);
            list.again();
          }}
        />
      )}
      {revoking !== null && (
        <Ask
          title={`Revoke the token of ${revoking.name}`}
          verb="Revoke it"
          danger
          act={() => api('DELETE', `/tokens/${encodeURIComponent(revoking.name)}`)}
          onClose={() => {
            setRevoking(null);
            list.again();
          }}
        >
          <p>Whoever uses it is refused from now on, and its sessions end. It cannot be made valid again.</p>
        </Ask>
      )}
    </Card>
  );
}

function CreateToken(props: {
  onCreated: (created: { name: string; token: string }) => void;
  onClose: () => void;
}) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<string>('view');
  return (
    <Ask
      title="Create a token"
      verb="Create it"
      ready={name.trim() !== ''}
      act={async () => props.onCreated(await api('POST', '/tokens', { name: name.trim(), role }))}
      onClose={props.onClose}
    >
      <Text
        label="Name"
        value={name}
        onValue={setName}
        required
        hint="Of the person or program; it stands in the audit list."
      />
      <Select label="Role" value={role} onValue={setRole} options={Object.entries(about)} />
    </Ask>
  );
}
