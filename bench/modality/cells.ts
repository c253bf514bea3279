import type { Modality } from '../../test/support/synthetic.ts';

/** What is sent. */
export const images = {
  ct: { modality: 'CT', title: 'CT, 0.5 MB', bytes: 512 * 512 * 2 },
  mr: { modality: 'MR', title: 'MR, 130 KB', bytes: 256 * 256 * 2 },
} as const satisfies Readonly<Record<string, { modality: Modality; title: string; bytes: number }>>;
export type ImageKind = keyof typeof images;

/** How fast: as its machine makes them, or each as soon as the one before is acknowledged. */
export const speeds = ['pace', 'full'] as const;
export type Speed = (typeof speeds)[number];

export interface Cell {
  readonly image: ImageKind;
  readonly associations: number;
  readonly speed: Speed;
  /** Whether the modality switches Nagle's algorithm off. */
  readonly noDelay: boolean;
}

/** Images a second that a modality makes: a scanner at work; where eight of them work at once, not all do at their best. */
export function imagesPerSecond(associations: number): number {
  return associations > 2 ? 5 : 20;
}

/** Images of an association in one run. Where there are eight a third of them is as much, and takes longer still at their pace. */
export function imagesOf({ associations }: Cell, most: number): number {
  return associations > 2 ? Math.ceil(most / 3) : most;
}

export function titleOf({ image, associations, speed, noDelay }: Cell): string {
  const many = associations === 1 ? '1 association' : `${associations} associations`;
  const how = speed === 'full' ? 'full speed' : `${imagesPerSecond(associations)} images/s each`;
  return `${images[image].title}; ${many}; ${how}${noDelay ? '' : '; Nagle on'}`;
}

/** By name. @throws RangeError that names those there are */
export function imageNamed(name: string): ImageKind {
  if (name === 'ct' || name === 'mr') return name;
  throw new RangeError(`there is no image "${name}": ${Object.keys(images).join(', ')}`);
}

/** By name. @throws RangeError that names those there are */
export function speedNamed(name: string): Speed {
  const found = speeds.find((speed) => speed === name);
  if (found !== undefined) return found;
  throw new RangeError(`there is no speed "${name}": ${speeds.join(', ')}`);
}
