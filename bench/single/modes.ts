import { makeStudy } from '../../test/support/synthetic.ts';
import type { StudyToSend } from '../throughput/workloads.ts';

/** What the images belong to: each to a study of its own, which must be placed first, or all to one. */
export const modes = ['new-studies', 'one-study'] as const;
export type Mode = (typeof modes)[number];

export const titles: Readonly<Record<Mode, string>> = {
  'new-studies': 'each image a new study',
  'one-study': 'all images of one study',
};

/** A CT image of 512 × 512 pixels, the most usual one there is. */
const pixelBytes = 512 * 512 * 2;

/** So many images, and the studies they make. The same seed gives the same images. */
export function studiesOf(mode: Mode, images: number, seed: string): StudyToSend[] {
  const studies = mode === 'one-study' ? 1 : images;
  return Array.from({ length: studies }, (_, index) => {
    const { studyUid, instances } = makeStudy({
      seed: `${seed}-${mode}-${index}`,
      modality: 'CT',
      instances: images / studies,
      bytes: pixelBytes,
    });
    return { studyUid, instances };
  });
}

/** By name. @throws RangeError that names those there are */
export function modeNamed(name: string): Mode {
  const found = modes.find((mode) => mode === name);
  if (found !== undefined) return found;
  throw new RangeError(`there is no mode "${name}": ${modes.join(', ')}`);
}
