import { api, get } from '../lib/api.ts';
import type { Simulation, SimulationRow } from '../lib/contract.ts';
import { duration, figure } from '../lib/format.ts';
import { useAction, useLoad } from '../lib/load.ts';
import { mayOperate } from '../lib/session.ts';
import { Chart } from '../ui/chart.tsx';
import { Bar, Card, Loading, Scroll, Trouble } from '../ui/parts.tsx';

const path = (id: string): string => `/simulations/${encodeURIComponent(id)}`;

/** One simulation: how far it is, and what came of it. */
export function Run({ id }: { id: string }) {
  const { value, problem, loading, again } = useLoad(
    (signal) => get<Simulation>(path(id), {}, signal),
    id,
    700,
  );
  const cancel = useAction();
  const isOpen = value !== null && (value.state === 'running' || value.state === 'queued');
  return (
    <>
      <Trouble problem={problem ?? cancel.problem} />
      {loading && <Loading what="the simulation" />}
      {value !== null && isOpen && (
        <section class="card stack" aria-label="Progress">
          <div class="row spread">
            <h2 aria-live="polite">
              {value.state === 'queued' ? 'Waits for the one before it' : 'Simulating…'}
            </h2>
            {mayOperate.value && (
              <button
                type="button"
                class="small"
                onClick={() =>
                  cancel.run(async () => {
                    await api('DELETE', path(id));
                    again();
                  })
                }
              >
                Cancel
              </button>
            )}
          </div>
          <Bar share={value.progress} label="Progress of the simulation" />
        </section>
      )}
      {value?.state === 'cancelled' && <p class="note">It was cancelled.</p>}
      {value?.state === 'failed' && (
        <div class="trouble" role="alert">
          <div>
            <strong>The simulation failed</strong>
            <p>{value.error}</p>
          </div>
        </div>
      )}
      {value !== null && value.result !== null && <Result result={value.result} />}
    </>
  );
}

function Result({ result }: { result: NonNullable<Simulation['result']> }) {
  const { rows, curves } = result;
  const best = Math.min(
    ...rows.filter((row) => !isBound(row)).map((row) => row.p99 ?? Number.POSITIVE_INFINITY),
  );
  return (
    <>
      <Card
        title="Result"
        note="From a study’s last image on the front until all of it is proven on its backend"
      >
        <Scroll label="Result of the simulation">
          <table>
            <thead>
              <tr>
                <th scope="col">Policy</th>
                <th scope="col" class="number">
                  Half of them within
                </th>
                <th scope="col" class="number">
                  95 % within
                </th>
                <th scope="col" class="number">
                  99 % within
                </th>
                <th scope="col" class="number">
                  Longest
                </th>
                <th scope="col" class="number" title="Until everything is available, ÷ the least possible">
                  Makespan
                </th>
                <th scope="col" class="number" title="The busiest backend ÷ the average">
                  Imbalance
                </th>
                <th scope="col" class="number">
                  Retries
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.policy} class={row.p99 === best ? 'chosen' : ''}>
                  <th scope="row">
                    {row.policy}
                    {row.p99 === best && <span class="soft"> (best)</span>}
                  </th>
                  <td class="number">{seconds(row.p50)}</td>
                  <td class="number">{seconds(row.p95)}</td>
                  <td class="number">{seconds(row.p99)}</td>
                  <td class="number">{seconds(row.max)}</td>
                  <td class="number">{row.makespanRatio == null ? '–' : figure(row.makespanRatio)}</td>
                  <td class="number">{row.imbalance == null ? '–' : figure(row.imbalance)}</td>
                  <td class="number">{row.retries == null ? '–' : figure(row.retries)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Card>
      {curves.length > 0 && <Curves curves={curves} />}
    </>
  );
}

function Curves({ curves }: { curves: NonNullable<Simulation['result']>['curves'] }) {
  const at = [...new Set(curves.flatMap(({ quantiles }) => quantiles.map(({ q }) => q)))].toSorted(
    (a, b) => a - b,
  );
  const lines = curves.map(({ policy, quantiles }) => {
    const byQ = new Map(quantiles.map(({ q, seconds: value }) => [q, value]));
    return { label: policy, values: at.map((q) => positive(byQ.get(q) ?? null)) };
  });
  return (
    <Card
      title="How long studies wait"
      note="The lower a line, the sooner; its right end is the unlucky ones"
    >
      <Chart
        title="Seconds until available, by share of studies"
        at={at}
        lines={lines}
        format={duration}
        xFormat={(q) => `${Math.round(q * 1000) / 10} %`}
        logarithmic
        height={280}
      />
    </Card>
  );
}

/** A logarithmic scale has no place for nothing. */
function positive(value: number | null): number | null {
  return value === null ? null : Math.max(value, 0.001);
}

function isBound({ policy }: SimulationRow): boolean {
  return policy === 'lower bound' || policy === 'oracle';
}

/** JSON has no word for "never". */
function seconds(value: number | null): string {
  return value === null ? 'never' : duration(value);
}
