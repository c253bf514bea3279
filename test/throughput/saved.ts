import { contenders } from '../../bench/throughput/contenders.ts';

/** What `bench --save` writes, of figures that are easy to reckon with: made up, of the shape of real ones. */
export function savedThroughput({
  cells = [{ workload: 'ct' }],
  ...head
}: {
  readonly cells?: readonly {
    readonly workload: string;
    readonly associations?: number;
    readonly noDelay?: boolean;
    readonly rates?: readonly (readonly number[])[];
  }[];
  readonly date?: string;
  readonly machine?: string;
  readonly repeats?: number;
} = {}) {
  return {
    bench: 'throughput',
    date: '2026-01-31',
    machine: '2 × CPU, Node v24',
    orthanc: '1.12.7',
    repeats: 3,
    ...head,
    cells: cells.map(({ workload, associations = 2, noDelay = true, rates }) => ({
      workload,
      associations,
      noDelay,
      contenders: contenders.map(({ name }, index) => ({
        contender: name,
        runs: (rates?.[index] ?? [190, 200, 210].map((rate) => rate / (index + 1))).map((rate) =>
          run(rate, index),
        ),
      })),
    })),
  };
}

function run(instancesPerSecond: number, index: number) {
  const cpuMs = { front: 2 * index, service: index === 4 ? 1 : 0, backends: 5 };
  return {
    instances: 512,
    bytes: 1e8,
    seconds: 512 / instancesPerSecond,
    instancesPerSecond,
    megabytesPerSecond: instancesPerSecond / 2,
    senderSeconds: 3,
    cpuMs: { ...cpuMs, all: cpuMs.front + cpuMs.service + cpuMs.backends },
    memory: { front: 1e8, service: 2e8, backends: 3e8 },
    provenMs: index === 4 ? { p50: 40, p99: 1500 } : null,
  };
}
