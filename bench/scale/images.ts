import { createHash } from 'node:crypto';
import { randomOf } from '../../src/simulate/random.ts';
import type { Arrival } from '../../src/study.ts';

/** A study of this bench: its images have the numbers from `first` up. */
export interface ScaleStudy {
  readonly uid: string;
  readonly modality: string;
  readonly station: string;
  readonly first: number;
  readonly instances: number;
}

/** Shares of studies, as in a hospital. */
const kinds = [
  { modality: 'CR', share: 0.49 },
  { modality: 'US', share: 0.23 },
  { modality: 'CT', share: 0.12 },
  { modality: 'MR', share: 0.06 },
  { modality: 'MG', share: 0.05 },
  { modality: 'XA', share: 0.04 },
  { modality: 'PT', share: 0.01 },
] as const;
/**
 * All have the same size. With sizes as in a hospital, one run placed many times as many studies as another while the same number of images was
 * timed, and placing one among 64 backends costs as much as sending dozens of images: what was compared was which studies came.
 */
const instancesOfEach = 50;
const stations = 6;

/** Bytes of an image. Small, since no bandwidth is measured here; large enough that its MD5 is of something. */
const imageBytes = 512;

/**
 * Studies with `instances` images together, numbered from `first` on; the last one is cut to fit. The same for the same seed. `seed` is a
 * part of the UIDs too: two of them have no study in common.
 */
export function studiesOf(seed: number, first: number, instances: number): ScaleStudy[] {
  const random = randomOf(seed, 'scale');
  const studies: ScaleStudy[] = [];
  for (let at = first; at < first + instances; ) {
    let left = random.uniform();
    const kind = kinds.find(({ share }) => (left -= share) < 0) ?? kinds[0];
    const count = Math.min(instancesOfEach, first + instances - at);
    studies.push({
      uid: `1.2.826.0.1.3680043.10.${seed}.${studies.length + 1}`,
      modality: kind.modality,
      station: `${kind.modality}${1 + Math.floor(random.uniform() * stations)}`,
      first: at,
      instances: count,
    });
    at += count;
  }
  return studies;
}

/** As Orthanc forms it: five times eight hexadecimal digits. */
export function orthancIdOf(image: number): string {
  const hex = createHash('sha1').update(`image ${image}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 16)}-${hex.slice(16, 24)}-${hex.slice(24, 32)}-${hex.slice(32)}`;
}

export function contentOf(image: number): Buffer {
  return Buffer.alloc(imageBytes, `content of image ${image}; `);
}

export function md5Of(content: Buffer): string {
  return createHash('md5').update(content).digest('hex');
}

/** What is announced of an image. */
export function arrivalOf(study: ScaleStudy, image: number, front: string): Arrival {
  return {
    front,
    orthancId: orthancIdOf(image),
    studyUid: study.uid,
    seriesUid: `${study.uid}.1`,
    sopUid: `${study.uid}.1.${image - study.first + 1}`,
    modality: study.modality,
    station: study.station,
    remoteAet: study.station,
    calledAet: 'ROUTER',
    remoteIp: '10.0.0.1',
    transferSyntax: '1.2.840.10008.1.2.1',
    bytes: imageBytes,
    bytesExact: true,
  };
}

/** Numbers of the images of a study. */
export function* imagesOf({ first, instances }: ScaleStudy): Generator<number> {
  for (let image = first; image < first + instances; image++) yield image;
}
