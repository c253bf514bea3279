/** A study as it comes to the front. */
export interface StudyArrival {
  readonly studyUid: string;
  readonly modality: string | null;
  readonly station: string | null;
  /** When its first image is there, in seconds from the beginning. */
  readonly at: number;
  /** From its first image to its last, in seconds. */
  readonly seconds: number;
  readonly instances: number;
  readonly bytes: number;
  /**
   * How much more work than usual its images make, in their order, wherever they are taken to; each entry for an equal part of
   * them. Without it: as usual. It belongs to the images and not to the transfer, so that all policies have the same work to do.
   */
  readonly effort?: readonly number[];
  /** When each image is there, in seconds from the beginning, in order; without it they come evenly. */
  readonly times?: readonly number[];
}

/** Images [0, count) are there at `now`. */
export function arrivedBy(study: StudyArrival, now: number): number {
  const { at, seconds, instances, times } = study;
  if (now < at) return 0;
  if (times !== undefined) return countUpTo(times, now);
  if (instances <= 1 || now >= at + seconds) return instances;
  let count = Math.min(instances, Math.floor(((now - at) / seconds) * (instances - 1)) + 1);
  // Rounded either way; whoever waits for an image until `timeOf` must find it then.
  while (count > 1 && timeOf(study, count - 1) > now) count--;
  while (count < instances && timeOf(study, count) <= now) count++;
  return count;
}

/** When the image of this number, from 0, is there. */
export function timeOf({ at, seconds, instances, times }: StudyArrival, image: number): number {
  if (times !== undefined) return times[image] ?? at + seconds;
  return instances <= 1 ? at : at + (seconds * image) / (instances - 1);
}

export function lastTime(study: StudyArrival): number {
  return timeOf(study, study.instances - 1);
}

/** How many usual images the images from..to are worth. */
export function effortOf({ effort, instances }: StudyArrival, from: number, to: number): number {
  if (effort === undefined || effort.length === 0) return to - from;
  const each = instances / effort.length;
  let sum = 0;
  for (let part = Math.floor(from / each); part < effort.length && part * each < to; part++) {
    const inside = Math.min(to, (part + 1) * each) - Math.max(from, part * each);
    sum += Math.max(0, inside) * (effort[part] ?? 1);
  }
  return sum;
}

function countUpTo(times: readonly number[], now: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= now) low = middle + 1;
    else high = middle;
  }
  return low;
}
