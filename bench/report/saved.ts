import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { CellResult as ModalityCell } from '../modality/report.ts';
import type { Sides } from '../scale/report.ts';
import type { Part, ScaleRun } from '../scale/run.ts';
import type { ModeFigures } from '../single/run.ts';
import type { CellResult as ThroughputCell } from '../throughput/cell.ts';

/** Where and when figures were taken. */
export interface Origin {
  readonly machine: string;
  readonly orthanc: string;
  /** Days, in order. */
  readonly dates: readonly string[];
}

export interface Throughput extends Origin {
  readonly repeats: number;
  readonly cells: readonly ThroughputCell[];
}

export interface Single extends Origin {
  readonly images: number;
  readonly modes: readonly ModeFigures[];
}

export interface Modality extends Origin {
  readonly repeats: number;
  readonly cells: readonly ModalityCell[];
}

export interface Scale extends Origin {
  readonly repeats: number;
  readonly backends: number;
  /** In the ledger of the full side. */
  readonly rows: number;
  readonly instances: number;
  readonly sides: Sides;
}

/** What benches have saved, each bench's files as one; null: none of that bench. */
export interface Saved {
  readonly throughput: Throughput | null;
  readonly single: Single | null;
  readonly modality: Modality | null;
  readonly scale: Scale | null;
}

const head = z.object({ date: z.iso.date(), machine: z.string(), orthanc: z.string() });
const number = z.number();
const memory = z.object({ front: number, service: number, backends: number });
const throughputCell: z.ZodType<ThroughputCell> = z.object({
  workload: z.string(),
  associations: number,
  noDelay: z.boolean(),
  contenders: z.array(
    z.object({
      contender: z.string(),
      runs: z
        .array(
          z.object({
            instances: number,
            bytes: number,
            seconds: number,
            instancesPerSecond: number,
            megabytesPerSecond: number,
            senderSeconds: number,
            cpuMs: z.object({ front: number, service: number, backends: number, all: number }),
            memory,
            provenMs: z.object({ p50: number, p99: number }).nullable(),
          }),
        )
        .min(1),
    }),
  ),
});
const wait = z.object({ p50: number, p99: number, max: number });
const stage = z.enum(['announced', 'placed', 'transfer begun', 'on its backend', 'proven']);
const mode: z.ZodType<ModeFigures> = z.object({
  mode: z.enum(['new-studies', 'one-study']),
  contenders: z.array(
    z.object({
      contender: z.string(),
      storeMs: wait,
      thereMs: wait,
      provenMs: wait.nullable(),
      stages: z.array(z.object({ stage, p50: number, p99: number })).nullable(),
    }),
  ),
});
const modalityRuns = z
  .array(
    z.object({ p50: number, p99: number, associateMs: number, releaseMs: number, imagesPerSecond: number }),
  )
  .min(1);
const modalityCell: z.ZodType<ModalityCell> = z.object({
  image: z.enum(['ct', 'mr']),
  associations: number,
  speed: z.enum(['pace', 'full']),
  noDelay: z.boolean(),
  runs: z.object({ plain: modalityRuns, front: modalityRuns }),
});
const part: z.ZodType<Part> = z.object({
  provenPerSecond: number,
  cpuMsAnImage: number,
  hookMs: z.object({ p50: number, p99: number, max: number, count: number }),
});
const scaleRuns: z.ZodType<ScaleRun[]> = z
  .array(
    z.object({
      startMs: number,
      calmMs: number,
      startAfterKillMs: number,
      fast: part,
      paced: part,
      peakMegabytes: number,
      calls: z.array(z.object({ path: z.string(), p50: number, p99: number, kilobytes: number })),
      outcome: z.object({ proven: number, waiting: number }),
      emptyAfter: number.nullable(),
    }),
  )
  .min(1);
const scaleFile = head.extend({
  bench: z.literal('scale'),
  repeats: number,
  backends: number,
  rows: number,
  instances: number,
  sides: z.object({ full: scaleRuns, empty: scaleRuns }),
});
const file = z.discriminatedUnion('bench', [
  scaleFile,
  head.extend({ bench: z.literal('throughput'), repeats: number, cells: z.array(throughputCell).min(1) }),
  head.extend({ bench: z.literal('single'), images: number, modes: z.array(mode).min(1) }),
  head.extend({ bench: z.literal('modality'), repeats: number, cells: z.array(modalityCell).min(1) }),
]);
type File = z.infer<typeof file>;

/** Reads files that benches wrote with `--save`. @throws Error that names a file which is none, or does not go with the others */
export function readSaved(paths: readonly string[]): Saved {
  return merged(
    paths.map((path) => {
      try {
        return file.parse(JSON.parse(readFileSync(path, 'utf8')));
      } catch (error) {
        throw new Error(`${path} is nothing that a bench has saved`, { cause: error });
      }
    }),
  );
}

/**
 * All files of a bench together; what was measured twice is taken from the later file.
 *
 * @throws Error when files of one bench are of other machines, Orthancs or numbers of runs: what stands in one table must be comparable
 */
export function merged(files: readonly File[]): Saved {
  const of = <Bench extends File['bench']>(bench: Bench): Extract<File, { bench: Bench }>[] =>
    files.filter((one): one is Extract<File, { bench: Bench }> => one.bench === bench);
  const throughput = of('throughput');
  const single = of('single');
  const modality = of('modality');
  const scale = of('scale');
  return {
    scale: together(
      scale,
      ({ repeats }) => repeats,
      // A run is of one size and has nothing that another one could add to it.
      (first, origin) => ({ ...(scale.at(-1) ?? first), ...origin }),
    ),
    throughput: together(
      throughput,
      ({ repeats }) => repeats,
      (first, origin) => ({
        ...origin,
        repeats: first.repeats,
        cells: latest(
          throughput.flatMap(({ cells }) => cells),
          ({ workload, associations, noDelay }) => [workload, associations, noDelay],
        ),
      }),
    ),
    single: together(
      single,
      ({ images }) => images,
      (first, origin) => ({
        ...origin,
        images: first.images,
        modes: latest(
          single.flatMap(({ modes }) => modes),
          (one) => [one.mode],
        ),
      }),
    ),
    modality: together(
      modality,
      ({ repeats }) => repeats,
      (first, origin) => ({
        ...origin,
        repeats: first.repeats,
        cells: latest(
          modality.flatMap(({ cells }) => cells),
          ({ image, associations, speed, noDelay }) => [image, associations, speed, noDelay],
        ),
      }),
    ),
  };
}

function together<One extends File, All>(
  files: readonly One[],
  sizeOf: (one: One) => number,
  make: (first: One, origin: Origin) => All,
): All | null {
  const [first] = files;
  if (first === undefined) return null;
  const kind = (one: One): string => `${one.machine}, Orthanc ${one.orthanc}, ${sizeOf(one)} of each`;
  const other = files.find((one) => kind(one) !== kind(first));
  if (other !== undefined)
    throw new Error(`files of ${first.bench} do not go together: ${kind(first)}; ${kind(other)}`);
  const dates = [...new Set(files.map(({ date }) => date))].toSorted();
  return make(first, { machine: first.machine, orthanc: first.orthanc, dates });
}

/** In the order in which each first came. */
function latest<One>(all: readonly One[], key: (one: One) => readonly unknown[]): One[] {
  return [...new Map(all.map((one) => [JSON.stringify(key(one)), one])).values()];
}
