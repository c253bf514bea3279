import type { ServiceModel, ServiceSample } from '../backends/model/service.ts';
import type { LivePool } from '../backends/pool-live.ts';
import type { FailureCode } from '../study.ts';
import { gatherFor } from '../transfer/gather.ts';
import type { Agenda } from './agenda.ts';
import { arrivedBy } from './arriving.ts';
import { epochMs, type Member } from './farm.ts';
import type { Chunk, ChunkLimits, Segment } from './queue.ts';
import type { Study } from './study.ts';
import type { Carriage, World } from './world.ts';

/** The last transfer to a backend that left nothing waiting; its time in seconds. */
interface Emptied {
  readonly at: number;
  readonly instances: number;
  readonly afterMs: number | null;
}

export interface LanesParts {
  readonly agenda: Agenda;
  readonly pool: LivePool;
  readonly world: () => World<Chunk>;
  readonly limits: ChunkLimits;
  readonly gatherSeconds: number;
  /** What has been learnt of each backend, by its number. */
  readonly services: ServiceModel[];
  /** What is known of the backend after one transfer more. */
  readonly learn: (member: Member, known: ServiceModel, sample: ServiceSample) => ServiceModel;
  readonly onFree: () => void;
  readonly onAvailable: (study: Study) => void;
}

export interface SimulatedLanes {
  readonly bind: (study: Study, member: Member) => void;
  /** Its backend is out: what is under way proves nothing any more. */
  readonly unbind: (study: Study, member: Member) => void;
  fill(member: Member): void;
  done(carriage: Carriage<Chunk>, member: Member): void;
  failed(carriage: Carriage<Chunk>, member: Member, code: FailureCode): void;
  /** Moves what has arrived whole since the last time to the counters. */
  readonly countArrived: (member: Member) => void;
  /** The pool tells of a lane that is being freed here: nothing else has changed in it. */
  readonly isFreeing: boolean;
  readonly transfers: number;
  readonly retries: number;
}

/**
 * Does what the service's lanes do: a lane that is free takes the oldest that is ready, one transfer at a time, and several lanes may
 * work on one study; what comes right behind the last transfer gathers for a moment.
 */
export function createSimulatedLanes(parts: LanesParts): SimulatedLanes {
  const { agenda, pool, world, limits, gatherSeconds, services } = parts;
  /** By the backend's number: when it is to be looked at again, if at all. */
  const wakeAt: number[] = services.map(() => Number.POSITIVE_INFINITY);
  /** The last transfer to each that left nothing waiting. */
  const emptied: (Emptied | null)[] = services.map(() => null);
  let isFreeing = false;
  let transfers = 0;
  let retries = 0;

  function wakeLater(member: Member, seconds: number): void {
    if ((wakeAt[member.index] ?? Number.POSITIVE_INFINITY) <= seconds) return;
    wakeAt[member.index] = seconds;
    agenda.at(seconds, () => {
      if (wakeAt[member.index] !== seconds) return;
      wakeAt[member.index] = Number.POSITIVE_INFINITY;
      fill(member);
    });
  }

  function fill(member: Member): void {
    while (pool.freeLanes(member.name) > 0) {
      const sendable = pool.sendable(member.name, epochMs(agenda.now));
      // A back-off's end and a change of health are told by the pool.
      if (!sendable.ok) return;
      const last = emptied[member.index] ?? null;
      if (last !== null) {
        const gathered = last.at + gatherFor(last, gatherSeconds * 1000, member.busyLanes > 0) / 1000;
        if (agenda.now < gathered) {
          wakeLater(member, gathered);
          return;
        }
      }
      const untriedOnly = member.retryLanes >= pool.lanesForRetries(member.name);
      const chunk = member.queue.claim(limits, agenda.now, untriedOnly);
      if (chunk === null) {
        const next = member.queue.nextAt();
        if (next > agenda.now) wakeLater(member, next);
        return;
      }
      emptied[member.index] =
        member.queue.nextAt() <= agenda.now
          ? null
          : {
              at: agenda.now,
              instances: chunk.instances,
              afterMs: last === null ? null : (agenda.now - last.at) * 1000,
            };
      start(member, chunk);
    }
  }

  function start(member: Member, chunk: Chunk): void {
    transfers++;
    pool.laneTaken(member.name);
    member.busyLanes++;
    member.mostLanes = Math.max(member.mostLanes, member.busyLanes);
    if (chunk.isRetry) member.retryLanes++;
    member.changed = true;
    world().carry(member.index, chunk);
  }

  function over(chunk: Chunk, member: Member): void {
    member.busyLanes--;
    if (chunk.isRetry) member.retryLanes--;
    member.changed = true;
  }

  function prove({ study, epoch, from, to }: Segment, member: Member): void {
    if (study.epoch !== epoch) {
      // It arrived after all, at a backend the study has left.
      study.former.add(member.index);
      return;
    }
    const count = to - from;
    study.proven += count;
    if (study.proven > study.arrival.instances) {
      throw new Error(`more of ${study.arrival.studyUid} was proven than there is`);
    }
    if (!member.arriving.has(study)) {
      member.outstanding.instances -= count;
      member.outstanding.bytes -= (study.arrival.bytes * count) / study.arrival.instances;
    }
    if (study.proven < study.arrival.instances) return;
    if (!member.arriving.delete(study)) member.outstanding.studies--;
    member.open.delete(study);
    study.availableAt = agenda.now;
    parts.onAvailable(study);
  }

  function countArrived(member: Member): void {
    for (const study of member.arriving) {
      if (study.lastAt > agenda.now) continue;
      member.arriving.delete(study);
      const left = study.arrival.instances - study.proven;
      member.outstanding.studies++;
      member.outstanding.instances += left;
      member.outstanding.bytes += (study.arrival.bytes * left) / study.arrival.instances;
    }
  }

  function freeLane(member: Member): void {
    isFreeing = true;
    pool.laneFreed(member.name);
    isFreeing = false;
    fill(member);
    parts.onFree();
  }

  return {
    get transfers() {
      return transfers;
    },
    get retries() {
      return retries;
    },
    get isFreeing() {
      return isFreeing;
    },
    fill,
    countArrived,
    bind(study, member) {
      study.backend = member.index;
      member.open.add(study);
      member.arriving.add(study);
      member.changed = true;
      member.queue.bind(study, agenda.now);
      fill(member);
    },
    unbind(study, member) {
      countArrived(member);
      if (!member.arriving.delete(study)) {
        const left = study.arrival.instances - study.proven;
        member.outstanding.studies--;
        member.outstanding.instances -= left;
        member.outstanding.bytes -= (study.arrival.bytes * left) / study.arrival.instances;
      }
      member.open.delete(study);
      member.changed = true;
      if (study.proven > 0) study.former.add(member.index);
      study.backend = null;
      study.epoch++;
      study.proven = 0;
    },
    done(carriage, member) {
      const { instances, bytes, segments } = carriage.load;
      over(carriage.load, member);
      const seconds = agenda.now - carriage.startedAt;
      const known = services[member.index];
      if (known !== undefined) {
        const sample = { instances, bytes, seconds, endedAt: epochMs(agenda.now) };
        services[member.index] = parts.learn(member, known, sample);
      }
      for (const segment of segments) prove(segment, member);
      pool.transferSucceeded(member.name, epochMs(agenda.now));
      freeLane(member);
    },
    failed(carriage, member, code) {
      over(carriage.load, member);
      retries++;
      // What had moved before is there, unless the backend is not: it is asked before anything is sent again.
      let moved = world().answers(member.index) ? carriage.moved() : 0;
      const notBefore = pool.transferFailed(member.name, code, '', epochMs(agenda.now));
      for (const { study, epoch, from, to } of carriage.load.segments) {
        const there = Math.min(moved, to - from);
        moved -= there;
        member.queue.putBack({ study, epoch, from: from + there, to }, (notBefore - epochMs(0)) / 1000);
        if (there > 0) prove({ study, epoch, from, to: from + there }, member);
      }
      freeLane(member);
    },
  };
}

/** What of a study has arrived and is not proven. */
export function unprovenOf({ arrival, proven }: Study, seconds: number): number {
  return Math.max(0, arrivedBy(arrival, seconds) - proven);
}
