import type { LivePool } from '../backends/pool-live.ts';
import { nobodyAsked } from '../decision/decide.ts';
import type { Taken } from '../decision/eligible.ts';
import type { Candidate, Policy } from '../decision/policy.ts';
import { decideRound, studiesInARound } from '../decision/round.ts';
import type { StudyToPlace } from '../study.ts';
import { obstaclesTo } from '../transfer/choose-anew.ts';
import type { Agenda } from './agenda.ts';
import { epochMs, type Member } from './farm.ts';
import { unprovenOf } from './lanes.ts';
import type { Study } from './study.ts';

export interface DispatchParts {
  readonly agenda: Agenda;
  readonly pool: LivePool;
  readonly policy: Policy;
  readonly members: readonly Member[];
  readonly candidates: () => readonly Candidate[];
  readonly toPlace: (study: Study) => StudyToPlace;
  readonly bind: (study: Study, member: Member) => void;
  readonly unbind: (study: Study, member: Member) => void;
  readonly rebindAfterSeconds: number;
}

export interface Dispatch {
  readonly studyWaits: (study: Study) => void;
  /** A lane is free, or a backend has changed. */
  lookAgain(): void;
  /** Once a second: what waits is looked at again, and what is bound to a backend that is out goes elsewhere. */
  tick(): void;
  readonly rebinds: number;
}

/** A round takes the service some time; what happens meanwhile is looked at in the next one. */
const betweenRounds = 0.003;
/** Studies that a policy with an order of its own may choose from in a round, as in the service. */
const orderedInARound = 1_000;

const nothingTaken: Taken = new Map();
/** Nobody reads here why a study waits. */
const nobody = (): boolean => false;

/** Decides as the service does: in rounds, over the oldest that wait, on arrival, on completion and once a second. */
export function createDispatch(parts: DispatchParts): Dispatch {
  const { agenda, pool, policy, members } = parts;
  const byName = new Map(members.map((member) => [member.name, member]));
  const inARound = policy.order === undefined ? studiesInARound : orderedInARound;
  /** Those a round looks at, and those behind them. */
  let ahead: Study[] = [];
  let behind: Study[] = [];
  let isPlanned = false;
  let lastRound = Number.NEGATIVE_INFINITY;
  let placements = 0;
  let rebinds = 0;

  function place(study: Study, backend: string): void {
    const member = byName.get(backend);
    if (member === undefined) throw new Error(`there is no backend ${backend}`);
    member.lastPlacement = ++placements;
    parts.bind(study, member);
  }

  /** As a round takes it. `whole`: the same as it is in the end, which nobody who decides may look at. */
  function unplaced(study: Study, taken: Taken) {
    return { whole: study, study: parts.toPlace(study), taken, holdings: nobodyAsked };
  }

  /** Whether more lanes than so many are free. */
  function areMoreFree(count: number): boolean {
    let free = 0;
    for (const { name } of members) {
      free += pool.freeLanes(name);
      if (free > count) return true;
    }
    return false;
  }

  function plan(): void {
    if (isPlanned || ahead.length === 0) return;
    isPlanned = true;
    agenda.at(Math.max(agenda.now, lastRound + betweenRounds), () => {
      isPlanned = false;
      lastRound = agenda.now;
      round();
    });
  }

  function round(): void {
    const waiting = ahead.map((study) => unplaced(study, nothingTaken));
    const candidates = parts.candidates();
    const placed: (readonly [Study, string])[] = [];
    for (const { one, verdict } of decideRound(policy, waiting, candidates, epochMs(agenda.now), nobody)) {
      if (verdict.backend !== null) placed.push([one.whole, verdict.backend]);
      // One that waits while no lane is left anywhere says that the others wait too.
      else if (!areMoreFree(placed.length)) break;
    }
    for (const [study, backend] of placed) place(study, backend);
    if (placed.length === 0) return;
    ahead = ahead.filter((study) => study.backend === null);
    refill();
    plan();
  }

  function refill(): void {
    const room = inARound - ahead.length;
    if (room <= 0 || behind.length === 0) return;
    ahead.push(...behind.slice(0, room));
    behind = behind.slice(room);
  }

  function bindAnew(): void {
    for (const member of members) {
      const out = pool.outSince(member.name);
      if (out === null || epochMs(agenda.now) - out.since < parts.rebindAfterSeconds * 1000) continue;
      const stuck = [...member.open].filter((study) => unprovenOf(study, agenda.now) > 0);
      if (stuck.length === 0) continue;
      const taken = obstaclesTo(pool, member.name);
      const waiting = stuck.map((study) => unplaced(study, taken));
      const verdicts = decideRound(policy, waiting, parts.candidates(), epochMs(agenda.now), nobody);
      for (const { one, verdict } of verdicts) {
        if (verdict.backend === null) continue;
        parts.unbind(one.whole, member);
        rebinds++;
        place(one.whole, verdict.backend);
      }
    }
  }

  return {
    get rebinds() {
      return rebinds;
    },
    studyWaits(study) {
      if (ahead.length < inARound) ahead.push(study);
      else behind.push(study);
      plan();
    },
    lookAgain: plan,
    tick() {
      bindAnew();
      plan();
    },
  };
}
