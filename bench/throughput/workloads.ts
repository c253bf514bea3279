import { type Modality, makeStudy, type SyntheticInstance } from '../../test/support/synthetic.ts';

/** Several studies of one kind. */
interface Part {
  readonly modality: Modality;
  readonly studies: number;
  readonly instances: number;
  /** Of pixel data an instance; 2 bytes a pixel, one for US. */
  readonly bytes: number;
}

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly parts: readonly Part[];
  /** Images of 130 KB and more: where bytes, and not the work for each image, are what takes time. */
  readonly isLarge: boolean;
}

/**
 * What hospitals send, each for itself and mixed. Studies come in sixteens, so that they can be dealt out evenly over up to eight
 * associations and two backends; enough images for some seconds, so that starting and ending weigh little.
 */
export const workloads: readonly Workload[] = [
  {
    name: 'ct',
    title: 'CT 512 × 512, 0.5 MB',
    isLarge: true,
    parts: [{ modality: 'CT', studies: 16, instances: 32, bytes: 512 * 512 * 2 }],
  },
  {
    name: 'mr',
    title: 'MR 256 × 256, 130 KB',
    isLarge: true,
    parts: [{ modality: 'MR', studies: 16, instances: 64, bytes: 256 * 256 * 2 }],
  },
  {
    name: 'cr',
    title: 'CR, 10 MB',
    isLarge: true,
    parts: [{ modality: 'CR', studies: 16, instances: 3, bytes: 10_000_000 }],
  },
  {
    name: 'tiny',
    title: 'tiny, 8 KB',
    isLarge: false,
    parts: [{ modality: 'CT', studies: 16, instances: 313, bytes: 64 * 56 * 2 }],
  },
  {
    name: 'mix',
    title: 'a mix of all four and US',
    isLarge: true,
    parts: [
      { modality: 'CT', studies: 4, instances: 48, bytes: 512 * 512 * 2 },
      { modality: 'MR', studies: 4, instances: 64, bytes: 256 * 256 * 2 },
      { modality: 'CR', studies: 8, instances: 2, bytes: 10_000_000 },
      { modality: 'US', studies: 4, instances: 20, bytes: 640 * 480 },
      { modality: 'CT', studies: 4, instances: 64, bytes: 64 * 56 * 2 },
    ],
  },
];

/** A study as it is sent, and what must be found of it afterwards. */
export interface StudyToSend {
  readonly studyUid: string;
  readonly instances: readonly SyntheticInstance[];
}

/**
 * The studies of a workload, the kinds taking turns. `share` of them is made where a contender would take too long for all: of each part so
 * many studies, at least one for each of `atLeast` associations in all.
 */
export function studiesOf(
  { name, parts }: Workload,
  { seed, share, atLeast }: { readonly seed: string; readonly share: number; readonly atLeast: number },
): StudyToSend[] {
  const perPart = Math.ceil(atLeast / parts.length);
  const columns = parts.map((part, kind) =>
    Array.from(
      { length: Math.min(part.studies, Math.max(perPart, Math.ceil(part.studies * share))) },
      (_, index) => {
        const { modality, instances, bytes } = part;
        const study = makeStudy({ seed: `${seed}-${name}-${kind}-${index}`, modality, instances, bytes });
        return { studyUid: study.studyUid, instances: study.instances };
      },
    ),
  );
  const longest = Math.max(...columns.map((column) => column.length));
  return Array.from({ length: longest }, (_, row) =>
    columns.flatMap((column) => column.slice(row, row + 1)),
  ).flat();
}

/** How many instances all of it has. */
export function instancesIn({ parts }: Workload): number {
  return parts.reduce((sum, { studies, instances }) => sum + studies * instances, 0);
}

/** By name. @throws RangeError that names those there are */
export function workloadNamed(name: string): Workload {
  const found = workloads.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new RangeError(`there is no workload "${name}": ${workloads.map((one) => one.name).join(', ')}`);
}
