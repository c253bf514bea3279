import type { ServiceModel } from '../backends/model/service.ts';
import type { LivePool } from '../backends/pool-live.ts';
import type { Candidate } from '../decision/policy.ts';
import type { Booked } from './books.ts';
import { epochMs, type Member } from './farm.ts';
import type { World } from './world.ts';

export interface CandidatesParts {
  readonly pool: LivePool;
  readonly world: World;
  readonly members: readonly Member[];
  /** What a policy is told of a backend's speed: what was learnt, or the truth. */
  readonly service: (member: Member) => ServiceModel;
  /** What `service` says changes only with what happens to the backend, and not by itself. */
  readonly isServiceCurrent: boolean;
  readonly booked: (member: Member) => Booked;
}

export interface Candidates {
  readonly read: () => readonly Candidate[];
  /** Something of the pool's own has changed: health, breaker, operator. */
  poolChanged(name: string): void;
}

/** The backends as policies see them. What nothing has happened to since the last time is shown as it was. */
export function createCandidates(parts: CandidatesParts): Candidates {
  const { pool, world, members } = parts;
  let fromPool = pool.candidates();
  let isCurrent = true;
  /** Those that are not well: what the pool says of them depends on what is booked, and on the time. */
  const troubled = new Set<string>();
  let shown: Candidate[] = [];

  function show(member: Member, base: Candidate): Candidate {
    const { studies, instances, bytes, reserved } = parts.booked(member);
    const quiet = world.quiet(member.index);
    const { backend, weight, lanes, operator, health, healthReason, freeBytes, diskBytes, breakerReason } =
      base;
    // One by one: copied with `...` and then changed it takes several times as long, and this is made for each backend in each round.
    return {
      backend,
      weight,
      lanes,
      operator,
      health,
      healthReason,
      freeBytes,
      diskBytes,
      breakerReason,
      busyLanes: member.busyLanes,
      studiesInFlight: studies,
      instancesInFlight: instances,
      bytesInFlight: bytes,
      lastPlacement: member.lastPlacement,
      service: parts.service(member),
      reserved,
      quiet: quiet === null ? null : { ...quiet, since: epochMs(quiet.since) },
    };
  }

  return {
    poolChanged(name) {
      isCurrent = false;
      if (pool.breaker(name) === 'closed' && pool.health(name) === 'up') troubled.delete(name);
      else troubled.add(name);
    },
    read() {
      const isNew = !isCurrent || troubled.size > 0;
      if (isNew) fromPool = pool.candidates();
      isCurrent = true;
      shown = members.map((member, index) => {
        const before = shown[index];
        const isIdle = member.arriving.size === 0 && member.busyLanes === 0 && !member.changed;
        if (isIdle && !isNew && parts.isServiceCurrent && before !== undefined) return before;
        member.changed = false;
        const base = fromPool[index];
        if (base === undefined) throw new Error(`the pool does not know ${member.name}`);
        return show(member, base);
      });
      return shown;
    },
  };
}
