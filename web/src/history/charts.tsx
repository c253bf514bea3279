import type { Signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import type { OrthancSeries, Series } from '../lib/contract.ts';
import { count, duration, figure, size } from '../lib/format.ts';
import { Chart } from '../ui/chart.tsx';
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
        formatRight={duration}
        {...shared}
      />
    </div>
  );
}

const loads = {
  latencyMs: ['Answers in', (value: number) => `${figure(value)} ms`],
  jobsRunning: ['Jobs running', figure],
  jobsPending: ['Jobs waiting', figure],
  activeRequests: ['Requests at a time', figure],
  instances: ['Images held', count],
  diskBytes: ['Disk used', size],
  up: ['Up, share of samples', (value: number) => `${Math.round(value * 100)} %`],
} as const satisfies Partial<Record<keyof OrthancSeries, readonly [string, (value: number) => string]>>;
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
  const [title, format] = loads[load];
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
        {...shared}
      />
      <Chart
        title="Decisions for each"
        at={series.at}
        lines={lines('decisions')}
        format={figure}
        {...shared}
      />
      <div class="stack">
        <Chart key={load} title={title} at={series.at} lines={lines(load)} format={format} {...shared} />
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
