import { arrivedBy, effortOf, timeOf } from './arriving.ts';
import { createHeap } from './heap.ts';
import type { Study } from './study.ts';

/** Images of one study that go together. */
export interface Segment {
  readonly study: Study;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

/** What one transfer takes along. */
export interface Chunk {
  readonly segments: readonly Segment[];
  readonly instances: number;
  readonly bytes: number;
  readonly largestBytes: number;
  /** Usual images that they are worth, and the bytes of those. */
  readonly effort: number;
  readonly effortBytes: number;
  readonly isRetry: boolean;
}

export interface ChunkLimits {
  readonly instances: number;
  readonly bytes: number;
}

/** What is bound to one backend and not under way, in the order in which it came: as the ledger's queue. */
export interface Queue {
  bind(study: Study, now: number): void;
  putBack(segment: Segment, notBefore: number): void;
  /** The oldest that is ready; null: nothing is. */
  claim(limits: ChunkLimits, now: number, untriedOnly: boolean): Chunk | null;
  /** When the next thing is ready, perhaps long ago; Infinity: nothing is to come. */
  nextAt(): number;
}

interface Parcel {
  readonly study: Study;
  readonly epoch: number;
  from: number;
  readonly to: number;
  /** None of it is ready before. */
  readonly since: number;
}

export function createQueue(): Queue {
  const fresh = createHeap<Parcel>();
  const retries = createHeap<Parcel>();

  function dropStale(heap: typeof fresh): void {
    for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
      if (top.epoch === top.study.epoch && top.from < top.to) return;
      heap.pop();
    }
  }

  function nextHeap(untriedOnly: boolean): typeof fresh {
    dropStale(fresh);
    if (untriedOnly || retries.size === 0) return fresh;
    dropStale(retries);
    return retries.leastKey() < fresh.leastKey() ? retries : fresh;
  }

  function put(heap: typeof fresh, parcel: Parcel): void {
    heap.push(Math.max(parcel.since, timeOf(parcel.study.arrival, parcel.from)), parcel);
  }

  return {
    bind(study, now) {
      put(fresh, { study, epoch: study.epoch, from: 0, to: study.arrival.instances, since: now });
    },
    putBack({ study, epoch, from, to }, notBefore) {
      if (from < to && epoch === study.epoch) put(retries, { study, epoch, from, to, since: notBefore });
    },
    nextAt: () => nextHeap(false).leastKey(),
    claim(limits, now, untriedOnly) {
      const segments: Segment[] = [];
      let instances = 0;
      let bytes = 0;
      let largestBytes = 0;
      let effort = 0;
      let effortBytes = 0;
      let isRetry = false;
      while (instances < limits.instances) {
        const heap = nextHeap(untriedOnly);
        if (heap.leastKey() > now) break;
        const parcel = heap.pop();
        if (parcel === undefined) break;
        const { study, from, to, since } = parcel;
        const { arrival } = study;
        const each = arrival.bytes / arrival.instances;
        const room = Math.floor((limits.bytes - bytes) / each + 1e-9);
        const behind = nextHeap(untriedOnly).leastKey();
        // What came at the same time was put into the queue study by study; what came later, image by image.
        const ready = Math.min(to, arrivedBy(arrival, Math.max(since, Math.min(now, behind)))) - from;
        const taken = Math.min(
          Math.max(1, ready),
          limits.instances - instances,
          Math.max(room, segments.length === 0 ? 1 : 0),
        );
        if (taken > 0) {
          segments.push({ study, epoch: parcel.epoch, from, to: from + taken });
          instances += taken;
          bytes += taken * each;
          largestBytes = Math.max(largestBytes, each);
          const worth = effortOf(arrival, from, from + taken);
          effort += worth;
          effortBytes += worth * each;
          isRetry ||= heap === retries;
          parcel.from += taken;
        }
        if (parcel.from < parcel.to) put(heap, parcel);
        if (taken < ready) break;
      }
      if (segments.length === 0) return null;
      return { segments, instances, bytes, largestBytes, effort, effortBytes, isRetry };
    },
  };
}
