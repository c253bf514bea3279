import { useState } from 'preact/hooks';
import type { EvacuationAnswer } from '../../../src/admin/failover-schemas.ts';
import { learntSpeed } from '../farm/backends.tsx';
import { byName } from '../farm/layout.ts';
import { AuditTable } from '../journal/audit.tsx';
import { get } from '../lib/api.ts';
import { farm } from '../lib/live.ts';
import { useLoad } from '../lib/load.ts';
import { to } from '../lib/route.ts';
import { mayAdmin } from '../lib/session.ts';
import { stateOf, troubleOf } from '../lib/verdict.ts';
import { Badge, Card, Empty, Loading, Scroll } from '../ui/parts.tsx';
import { AddBackend } from './add.tsx';
import { Evacuation } from './evacuation.tsx';
import { RoutingCard } from './routing.tsx';

/** All backends, the policy, and who changed what. */
export function SteerPage() {
  const [adding, setAdding] = useState(false);
  const evacuations = useLoad(
    (signal) => get<{ items: readonly EvacuationAnswer[] }>('/evacuations', {}, signal),
    'evacuations',
    2_000,
  );
  const running = (evacuations.value?.items ?? []).filter(({ state }) => state === 'running');
  const backends = farm.value?.backends.toSorted(byName);
  return (
    <>
      <div class="head">
        <div>
          <h1>Backends</h1>
          <p class="note">
            Take one out of service, bring it back, weigh it, add or remove one, while everything runs.
          </p>
        </div>
        {mayAdmin.value && (
          <button type="button" class="primary" onClick={() => setAdding(true)}>
            Add a backend
          </button>
        )}
      </div>
      {running.map((one) => (
        <Evacuation key={one.backend} evacuation={one} onChange={evacuations.again} />
      ))}
      <Card title="All backends">
        {backends === undefined && <Loading what="the backends" />}
        {backends?.length === 0 && (
          <Empty title="There is no backend">
            <p>Images wait on the front until there is one.</p>
          </Empty>
        )}
        {backends !== undefined && backends.length > 0 && (
          <Scroll label="All backends">
            <table class="folding">
              <thead>
                <tr>
                  <th scope="col">Backend</th>
                  <th scope="col">State</th>
                  <th scope="col" class="number">
                    Weight
                  </th>
                  <th scope="col">Learnt speed</th>
                  <th scope="col">Address</th>
                  <th scope="col">
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {backends.map((one) => {
                  const { tone, word } = stateOf(one);
                  return (
                    <tr key={one.name}>
                      <td class="tight">
                        <a href={to(['backends', one.name])}>
                          <strong>{one.name}</strong>
                        </a>
                      </td>
                      <td>
                        <Badge tone={tone}>{word}</Badge>
                        {troubleOf(one) !== null && <p class="soft small-text">{troubleOf(one)}</p>}
                      </td>
                      <td class="number" data-label="Weight">
                        {Math.round(one.weight * 100)} %
                      </td>
                      <td class="tight" data-label="Learnt speed">
                        {learntSpeed(one)}
                      </td>
                      <td class="tight soft" data-label="Address">
                        {one.url}
                      </td>
                      <td class="number">
                        <a href={to(['backends', one.name])} aria-label={`Steer ${one.name}`}>
                          Steer
                        </a>
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </Scroll>
        )}
      </Card>
      <RoutingCard />
      <AuditTable most={20} changesOnly />
      {adding && <AddBackend onClose={() => setAdding(false)} />}
    </>
  );
}
