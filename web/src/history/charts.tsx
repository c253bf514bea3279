import type { Signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import type { OrthancSeries, Series } from '../lib/contract.ts';
import { count, duration, figure, size } from '../lib/format.ts';
import { Chart, secondSteps, wholeSteps } from '../ui/chart.tsx';
import { Select } from '../ui/field.tsx';

interface Shared {
  readonly index: Signal<number | null>;
  readonly sync: string;
  readonly onZoom: (from: number, to: number) => void;
}

const rate = (value: number): string => `${figure(value)}/s`;
const byteRate = (value: number): string => `${size(value)}/s`;

export function FarmCharts({ series, ...shared }: { series: Series } & Shared) {
  const { at, farm } = series;
  return (
    <div class="charts">
      <Chart
        title="Images per second"
        at={at}
        lines={[
          { label: 'in', values: farm.inInstances },
          { label: 'out, proven', values: farm.outInstances },
        ]}
        format={rate}
        {...shared}
      />
      <Chart
        title="Bytes per second"
        at={at}
        lines={[
          { label: 'in', values: farm.inBytes },
          { label: 'out, proven', values: farm.outBytes },
        ]}
        format={byteRate}
        steps={wholeSteps}
        {...shared}
      />
      <Chart
        title="Waiting"
        at={at}
        lines={[
          { label: 'images waiting', values: farm.waitingInstances },
          { label: 'age of the oldest', values: farm.oldestAgeSeconds, right: true, colour: 2 },
          { label: 'in quarantine', values: farm.quarantined, colour: 5 },
        ]}
        format={count}
        steps={wholeSteps}
        formatRight={duration}
        stepsRight={secondSteps}
        {...shared}
      />
    </div>
  );
}

const loads = {
  latencyMs: ['Answers in', (value: number) => `${figure(value)} ms`, undefined],
  jobsRunning: ['Jobs running', figure, undefined],
  jobsPending: ['Jobs waiting', figure, undefined],
  activeRequests: ['Requests at a time', figure, undefined],
  instances: ['Images held', count, wholeSteps],
  diskBytes: ['Disk used', size, wholeSteps],
  up: ['Up, share of samples', (value: number) => `${Math.round(value * 100)} %`, undefined],
} as const satisfies Partial<
  Record<
    keyof OrthancSeries,
    readonly [title: string, format: (value: number) => string, steps: readonly number[] | undefined]
  >
>;
type Load = keyof typeof loads;

export function BackendCharts({
  series,
  names,
  ...shared
}: { series: Series; names: readonly string[] } & Shared) {
  const [load, setLoad] = useState<Load>('latencyMs');
  const lines = (field: keyof OrthancSeries) =>
    names.map((name) => ({
      label: name,
      values: series.orthancs[name]?.[field] ?? [],
      bridged: field === 'transferSeconds',
    }));
  const [title, format, steps] = loads[load];
  return (
    <div class="charts">
      <Chart
        title="Images per second to each"
        at={series.at}
        lines={lines('outInstances')}
        format={rate}
        {...shared}
      />
      <Chart
        title="Seconds per transfer"
        at={series.at}
        lines={lines('transferSeconds')}
        format={duration}
        steps={secondSteps}
        {...shared}
      />
      <Chart
        title="Decisions for each"
        at={series.at}
        lines={lines('decisions')}
        format={count}
        steps={wholeSteps}
        {...shared}
      />
      <div class="stack">
        <Chart
          key={load}
          title={title}
          at={series.at}
          lines={lines(load)}
          format={format}
          {...(steps === undefined ? {} : { steps })}
          {...shared}
        />
        <Select
          label="Load to look at"
          value={load}
          onValue={(next) => setLoad(next as Load)}
          options={Object.entries(loads).map(([name, [text]]) => [name, text] as const)}
        />
      </div>
    </div>
  );
}
