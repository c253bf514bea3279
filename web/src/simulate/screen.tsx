import { type Signal, signal as signalOf } from '@preact/signals';
import type { z } from 'zod';
import type { SimulationAnswer, scenarioAnswer } from '../../../src/admin/simulation-schemas.ts';
import type { RoutingAnswer } from '../../../src/admin/steer-schemas.ts';
import { api, get } from '../lib/api.ts';

import { useAction, useLoad } from '../lib/load.ts';
import { go, to } from '../lib/route.ts';
import { mayOperate } from '../lib/session.ts';
import { Choices, Select, Text, Tick } from '../ui/field.tsx';
import { Card, Empty, Loading, Trouble } from '../ui/parts.tsx';
import { oracles } from './oracles.ts';
import { Run } from './run.tsx';

/** Policies tried on a modelled farm, or on the last day, by the very code that decides here. */
export function SimulateScreen({ parts }: { parts: readonly string[] }) {
  const [id] = parts;
  return (
    <>
      <div class="head">
        <div>
          <h1>Simulate</h1>
          <p class="note">
            Policies on a modelled farm, or on what really came in the last 24 hours. Nothing here touches an
            image.
          </p>
        </div>
      </div>
      {mayOperate.value ? (
        <Choose />
      ) : (
        id === undefined && (
          <Empty title="Starting a simulation needs another role">
            <p>Your token may look only.</p>
          </Empty>
        )
      )}
      {id !== undefined && <Run key={id} id={id} />}
    </>
  );
}

type ScenarioInfo = z.infer<typeof scenarioAnswer>;
type Source = 'scenario' | 'day';

/** Outlives the change of address that a run brings: what was chosen stands there still, to be changed and tried again. */
const kept = {
  source: signalOf<Source>('scenario'),
  scenario: signalOf<string | null>(null),
  picked: signalOf<readonly string[] | null>(null),
  seeds: signalOf('1'),
};

function useKept<T>(one: Signal<T>): readonly [T, (next: T) => void] {
  return [
    one.value,
    (next) => {
      one.value = next;
    },
  ];
}

function Choose() {
  const scenarios = useLoad(
    (signal) => get<{ items: readonly ScenarioInfo[] }>('/scenarios', {}, signal),
    'scenarios',
  );
  const routing = useLoad((signal) => get<RoutingAnswer>('/routing', {}, signal), 'routing');
  const [source, setSource] = useKept(kept.source);
  const [scenario, setScenario] = useKept(kept.scenario);
  const [picked, setPicked] = useKept(kept.picked);
  const [seeds, setSeeds] = useKept(kept.seeds);
  const { busy, problem, run } = useAction();
  const items = scenarios.value?.items ?? [];
  const chosen = items.find(({ name }) => name === scenario) ?? items[0];
  const own = routing.value?.policy;
  const policies = [
    ...(routing.value?.policies.map(({ name }) => name) ?? []),
    ...(source === 'scenario' ? oracles : []),
  ];
  const wanted = (picked ?? (own === undefined ? [] : [own, 'least-in-flight', 'round-robin'])).filter(
    (name) => policies.includes(name),
  );
  const start = (event: Event): void => {
    event.preventDefault();
    run(async () => {
      const { id } = await api<Pick<SimulationAnswer, 'id'>>('POST', '/simulations', {
        policies: wanted,
        ...(source === 'day' ? { day: 'last' } : { scenario: chosen?.name, seeds: Number(seeds) }),
      });
      go(to(['simulate', id]));
    });
  };
  if (scenarios.loading || routing.loading) return <Loading what="scenarios" />;
  return (
    <Card title="What to try">
      <form class="stack" onSubmit={start}>
        <Choices<Source>
          label="What comes"
          value={source}
          onValue={setSource}
          options={[
            ['scenario', 'A scenario'],
            ['day', 'The last 24 hours here'],
          ]}
        />
        {source === 'scenario' ? (
          <div class="fields">
            <div class="wide">
              <Select
                label="Scenario"
                value={chosen?.name ?? ''}
                onValue={setScenario}
                options={items.map(({ name, title }) => [name, title] as const)}
                {...(chosen === undefined ? {} : { hint: chosen.description })}
              />
            </div>
            <Text
              label="Seeds"
              type="number"
              min={1}
              max={50}
              value={seeds}
              onValue={setSeeds}
              hint="How often, each time with other studies."
            />
          </div>
        ) : (
          <p class="note">
            Every study that came in the last 24 hours comes again, as it came, to these backends as they
            were.
          </p>
        )}
        <fieldset>
          <legend>Policies</legend>
          <div class="ticks">
            {policies.map((name) => (
              <Tick
                key={name}
                checked={wanted.includes(name)}
                onValue={(on) => setPicked(on ? [...wanted, name] : wanted.filter((one) => one !== name))}
              >
                {name}
                {name === own && <span class="soft"> (in use)</span>}
              </Tick>
            ))}
          </div>
        </fieldset>
        <Trouble problem={scenarios.problem ?? routing.problem ?? problem} />
        <div>
          <button class="primary" disabled={busy || wanted.length === 0}>
            {busy ? 'Starting…' : 'Simulate'}
          </button>
        </div>
      </form>
    </Card>
  );
}
