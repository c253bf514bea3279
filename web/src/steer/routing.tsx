import { useState } from 'preact/hooks';
import type { ShadowAnswer } from '../../../src/admin/shadow-schemas.ts';
import type { RoutingAnswer } from '../../../src/admin/steer-schemas.ts';
import { api, get } from '../lib/api.ts';
import { counted } from '../lib/format.ts';
import { useLoad } from '../lib/load.ts';
import { mayAdmin } from '../lib/session.ts';
import { Ask } from '../ui/dialog.tsx';
import { Select } from '../ui/field.tsx';
import { Card, Facts, Loading, Trouble } from '../ui/parts.tsx';

/** How a backend is chosen. */
export function RoutingCard() {
  const routing = useLoad((signal) => get<RoutingAnswer>('/routing', {}, signal), 'routing', 10_000);
  const shadow = useLoad((signal) => get<ShadowAnswer>('/shadow', { limit: 1 }, signal), 'shadow', 10_000);
  const [changing, setChanging] = useState(false);
  const value = routing.value;
  const trial = shadow.value?.comparisons.find(
    (one) => one.shadow === value?.shadow && one.policy === value.policy,
  );
  return (
    <Card
      title="How a backend is chosen"
      actions={
        mayAdmin.value && value !== null ? (
          <button type="button" onClick={() => setChanging(true)}>
            Change
          </button>
        ) : undefined
      }
    >
      <Trouble problem={routing.problem} />
      {routing.loading && <Loading what="the policy" />}
      {value !== null && (
        <div class="stack">
          <Facts
            items={[
              ['Policy', value.policy],
              ['Order', value.order],
              ['On trial beside it', value.shadow ?? 'none'],
            ]}
          />
          <p class="note">
            A study goes: {value.policies.find(({ name }) => name === value.policy)?.description}. Of those
            that wait goes first: {value.orders.find(({ name }) => name === value.order)?.description}.
          </p>
          {trial !== undefined && (
            <p>
              In the last 24 hours {trial.shadow} would have chosen the same backend for {trial.same} of{' '}
              {counted(trial.studies, 'study', 'studies')}, another for {trial.otherBackend}, and let{' '}
              {trial.wouldWait} wait.
            </p>
          )}
        </div>
      )}
      {changing && value !== null && (
        <ChangeRouting
          routing={value}
          onClose={() => {
            setChanging(false);
            routing.again();
          }}
        />
      )}
    </Card>
  );
}

function ChangeRouting({ routing, onClose }: { routing: RoutingAnswer; onClose: () => void }) {
  const [policy, setPolicy] = useState<string>(routing.policy);
  const [order, setOrder] = useState<string>(routing.order);
  const [shadow, setShadow] = useState<string>(routing.shadow ?? '');
  const body = {
    ...(policy === routing.policy ? {} : { policy }),
    ...(order === routing.order ? {} : { order }),
    ...(shadow === (routing.shadow ?? '') ? {} : { shadow: shadow === '' ? null : shadow }),
  };
  const names = routing.policies.map(({ name }) => [name, name] as const);
  const about = (list: RoutingAnswer['policies'], one: string): { hint?: string } => {
    const hint = list.find(({ name }) => name === one)?.description;
    return hint === undefined ? {} : { hint };
  };
  return (
    <Ask
      title="Change how a backend is chosen"
      verb="Change it"
      ready={Object.keys(body).length > 0}
      act={() => api('PATCH', '/routing', body)}
      onClose={onClose}
    >
      <p>
        It counts for every study that is placed from now on, and is written into the topology. Placed studies
        stay where they are.
      </p>
      <Select
        label="Policy"
        value={policy}
        onValue={setPolicy}
        options={names}
        {...about(routing.policies, policy)}
      />
      <Select
        label="Order of what waits"
        value={order}
        onValue={setOrder}
        options={routing.orders.map(({ name }) => [name, name] as const)}
        {...about(routing.orders, order)}
      />
      <Select
        label="On trial beside it"
        value={shadow}
        onValue={setShadow}
        options={[['', 'none'], ...names]}
        hint="It decides about each study too; what it would have done is only noted."
      />
    </Ask>
  );
}
