import { useState } from 'preact/hooks';
import type { SimulationAnswer } from '../../../src/admin/simulation-schemas.ts';
import { api, get } from '../lib/api.ts';

import { count, counted, duration, figure, size } from '../lib/format.ts';
import { useAction, useLoad } from '../lib/load.ts';
import { mayOperate } from '../lib/session.ts';
import { Chart } from '../ui/chart.tsx';
import { Bar, Card, Loading, Scroll, Trouble } from '../ui/parts.tsx';
import { oracles } from './oracles.ts';

interface Row {
  readonly policy: string;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  readonly lost: number;
  readonly makespan?: number | null;
  readonly makespanRatio?: number | null;
  readonly imbalance?: number | null;
  /** It is no policy that was tried, but what was. */
  readonly isGiven?: boolean;
}

const path = (id: string): string => `/simulations/${encodeURIComponent(id)}`;

/** One simulation: how far it is, and what came of it. */
export function Run({ id }: { id: string }) {
  const [open, setOpen] = useState(true);
  const { value, problem, loading, again } = useLoad(
    async (signal) => {
      const answer = await get<SimulationAnswer>(path(id), {}, signal);
      setOpen(answer.state === 'running');
      return answer;
    },
    id,
    open ? 700 : undefined,
  );
  const cancel = useAction();
  const isOpen = value?.state === 'running';
  return (
    <>
      <Trouble problem={problem ?? cancel.problem} />
      {loading && <Loading what="the simulation" />}
      {value !== null && isOpen && (
        <section class="card stack" aria-label="Progress">
          <div class="row spread">
            <h2 aria-live="polite">{value.progress === 0 ? 'Begins…' : 'Simulating…'}</h2>
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

function Result({ result }: { result: NonNullable<SimulationAnswer['result']> }) {
  const isReplay = 'was' in result;
  // What really was stands first: the others are beside it.
  const rows: readonly Row[] = isReplay ? [{ ...result.was, isGiven: true }, ...result.rows] : result.rows;
  const best = Math.min(
    ...rows.filter((row) => !isBound(row)).map((row) => row.p99 ?? Number.POSITIVE_INFINITY),
  );
  return (
    <>
      <Card
        title={isReplay ? 'The last 24 hours again' : `Result: ${result.scenario}`}
        note="From a study’s last image on the front until all of it is proven on its backend"
      >
        {isReplay && (
          <p>
            {counted(result.studies, 'study', 'studies')}, {counted(result.images, 'image')},{' '}
            {size(result.bytes)}.
            {result.leftOut > 0 &&
              ` Left out, for it is not known how they would have gone: ${count(result.leftOut)}.`}
          </p>
        )}
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
                <th scope="col" class="number" title="Until everything is available">
                  Makespan
                </th>
                <th scope="col" class="number" title="The busiest backend ÷ the average">
                  Imbalance
                </th>
                <th scope="col" class="number">
                  Not available
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <ResultRow
                  key={`${row.isGiven} ${row.policy}`}
                  row={row}
                  isBest={row.p99 === best && !isBound(row)}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
        <p class="hint">
          {isReplay
            ? 'Makespan: from the first image until everything is available.'
            : 'Makespan: until everything is available, ÷ the least possible. Imbalance: the busiest backend ÷ the average.'}
        </p>
      </Card>
      {result.curves.length > 0 && <Curves curves={result.curves} />}
    </>
  );
}

function ResultRow({ row, isBest }: { row: Row; isBest: boolean }) {
  return (
    <tr class={isBest ? 'chosen' : ''}>
      <th scope="row">
        {row.isGiven === true ? `What was: ${row.policy}` : row.policy}
        {isBest && <span class="soft"> (best)</span>}
      </th>
      <td class="number">{seconds(row.p50)}</td>
      <td class="number">{seconds(row.p95)}</td>
      <td class="number">{seconds(row.p99)}</td>
      <td class="number">{seconds(row.max)}</td>
      <td class="number">{row.makespan === undefined ? ratio(row.makespanRatio) : seconds(row.makespan)}</td>
      <td class="number">{ratio(row.imbalance)}</td>
      <td class="number">{count(Math.ceil(row.lost))}</td>
    </tr>
  );
}

function Curves({ curves }: { curves: NonNullable<SimulationAnswer['result']>['curves'] }) {
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

function isBound({ policy, isGiven }: Row): boolean {
  return isGiven === true || policy === 'lower bound' || oracles.includes(policy);
}

function ratio(value: number | null | undefined): string {
  return value == null ? '–' : figure(value);
}

/** JSON has no word for "never". */
function seconds(value: number | null): string {
  return value === null ? 'never' : duration(value);
}
