import type { ConsideredBackend, DecisionKind, EpochMs, StudyToPlace } from '../study.ts';
import { type Eligibility, healthObstacle, operatorObstacle, splitEligible, type Taken } from './eligible.ts';
import { type Candidate, type Choice, mostConsidered, type Policy } from './policy.ts';

/** What is decided of one copy of a study, before the ledger has it. */
export interface Verdict {
  readonly kind: DecisionKind;
  readonly backend: string | null;
  /** For a person. That of a `waiting` verdict holds no figure that changes by itself: the ledger keeps it once. */
  readonly reason: string;
  /** The candidates in the order given; of a large farm some of them, and a last entry that says of the others how many there are. */
  readonly considered: readonly ConsideredBackend[];
  /** Somebody may take it, now or when a lane is free; false: nobody at all. */
  readonly anyEligible: boolean;
  /** Of a study that waits: the backend it waits for; null otherwise. */
  readonly waitsFor: string | null;
  /** It has a virtual place there: those behind it see that one as taken. */
  readonly holdsPlace: boolean;
  /** Of a study that is followed: who else holds a part of it, for a person; null: nobody said so. Nothing is done about it. */
  readonly alsoOn: string | null;
}

/** What the backends said when they were asked whether they hold a study. */
export interface Holdings {
  /** Instances each backend that answered holds, 0 included. */
  readonly held: ReadonlyMap<string, number>;
  /** Those that did not answer in time, and why. */
  readonly silent: ReadonlyMap<string, string>;
}

export const nobodyAsked: Holdings = { held: new Map(), silent: new Map() };

const nothingTaken: Taken = new Map();

/**
 * Places a study: on the backend that holds most of it already, else on the one the policy chooses among the eligible,
 * else nowhere for now. Pure: the service and a simulation run the same lines. `taken`: backends it must not go to, with the reason
 * that stands in the decision; for a study that is bound anew the one it leaves is among them.
 *
 * @throws Error when the policy breaks its promise and chooses what was not eligible.
 */
export function decide(
  policy: Policy,
  study: StudyToPlace,
  candidates: readonly Candidate[],
  now: EpochMs,
  holdings: Holdings = nobodyAsked,
  taken: Taken = nothingTaken,
): Verdict {
  const holder = holderOf(candidates, holdings, taken);
  if (holder !== null) return follow(holder, candidates, holdings, taken);

  const eligibility = splitEligible(candidates, taken, study.expected.bytes);
  if (eligibility.eligible.length === 0) return nobody(candidates, eligibility, holdings);

  const choice = policy.choose(study, eligibility.eligible, now);
  const consider = (): ConsideredBackend[] => considerations(candidates, eligibility, choice, holdings);
  if (choice.kind === 'wait') {
    const { reason, backend: waitsFor, holdsPlace } = choice;
    const verdict = {
      kind: 'waiting',
      backend: null,
      reason,
      anyEligible: true,
      waitsFor,
      holdsPlace,
      alsoOn: null,
    } as const;
    return new Explained(verdict, consider);
  }
  if (!eligibility.eligible.some((candidate) => candidate.backend === choice.backend)) {
    throw new Error(`policy ${policy.name} chose ${choice.backend}, which was not eligible`);
  }
  const reason = choice.reason + silence(holdings);
  const { backend } = choice;
  return new Explained(
    { kind: 'placed', backend, reason, anyEligible: true, waitsFor: null, holdsPlace: false, alsoOn: null },
    consider,
  );
}

/**
 * What was considered is written down when it is asked for. A round decides again and again that a study goes on waiting, a simulation
 * keeps no decision at all, and the words for two dozen backends cost more than the decision.
 *
 * A class for its speed: an object with a getter of its own has a shape of its own for the engine, which keeps it until the next full collection.
 * A copy by `...` leaves `considered` out.
 */
class Explained implements Verdict {
  readonly kind: DecisionKind;
  readonly backend: string | null;
  readonly reason: string;
  readonly anyEligible: boolean;
  readonly waitsFor: string | null;
  readonly holdsPlace: boolean;
  readonly alsoOn: string | null;
  readonly #consider: () => readonly ConsideredBackend[];
  #considered: readonly ConsideredBackend[] | null = null;

  constructor(verdict: Omit<Verdict, 'considered'>, consider: () => readonly ConsideredBackend[]) {
    this.kind = verdict.kind;
    this.backend = verdict.backend;
    this.reason = verdict.reason;
    this.anyEligible = verdict.anyEligible;
    this.waitsFor = verdict.waitsFor;
    this.holdsPlace = verdict.holdsPlace;
    this.alsoOn = verdict.alsoOn;
    this.#consider = consider;
  }

  get considered(): readonly ConsideredBackend[] {
    this.#considered ??= this.#consider();
    return this.#considered;
  }
}

interface Holder {
  readonly candidate: Candidate;
  readonly instances: number;
}

/** The candidate that holds most of the study; of equals the first in the topology. Null: nobody said to hold any of it. */
function holderOf(candidates: readonly Candidate[], holdings: Holdings, taken: Taken): Holder | null {
  // Hardly any study is held anywhere, and a thousand names need not be looked up to know it.
  if (!holdsAny(holdings)) return null;
  let holder: Holder | null = null;
  for (const candidate of candidates) {
    const instances = holdings.held.get(candidate.backend) ?? 0;
    if (taken.has(candidate.backend) || instances <= (holder?.instances ?? 0)) continue;
    holder = { candidate, instances };
  }
  return holder;
}

/** Whether any backend said that it holds something. */
export function holdsAny({ held }: Holdings): boolean {
  for (const instances of held.values()) if (instances > 0) return true;
  return false;
}

/**
 * A study is one: whatever arrives of it goes where the rest is, even when nothing new should go there. While that backend
 * cannot take it the images wait on the front, which is said.
 */
function follow(holder: Holder, candidates: readonly Candidate[], holdings: Holdings, taken: Taken): Verdict {
  const { candidate, instances } = holder;
  const obstacles = [operatorObstacle(candidate), healthObstacle(candidate)].filter(
    (obstacle) => obstacle !== null,
  );
  const although = obstacles.length === 0 ? '' : `, although ${obstacles.join('; ')}`;
  const alsoOn = otherHolders(
    candidates.filter((other) => other !== candidate && !taken.has(other.backend)),
    holdings,
  );
  const also = alsoOn === null ? '' : `, of which a part is also on ${alsoOn}`;
  return new Explained(
    {
      kind: 'followed',
      backend: candidate.backend,
      reason: `holds ${count(instances, 'instance')} of this study already${also}${although}${silence(holdings)}`,
      anyEligible: true,
      waitsFor: null,
      holdsPlace: false,
      alsoOn,
    },
    () =>
      shortened(
        candidates.map((other) => ({
          backend: other.backend,
          score: null,
          passedOver: other.backend === candidate.backend ? null : holdingText(other.backend, holdings),
          inputs: holdingInputs(other.backend, holdings),
        })),
      ),
  );
}

/** Several backends hold something of it: how that came about nobody here knows, so a person is told. */
function otherHolders(others: readonly Candidate[], { held }: Holdings): string | null {
  const named = others.flatMap(({ backend }) => {
    const instances = held.get(backend) ?? 0;
    return instances === 0 ? [] : [`${backend} (${count(instances, 'instance')})`];
  });
  return named.length === 0 ? null : named.join(', ');
}

function nobody(candidates: readonly Candidate[], eligibility: Eligibility, holdings: Holdings): Verdict {
  const reasons = eligibility.passedOver.map(({ candidate, reason }) => `${candidate.backend}: ${reason}`);
  // The reason is kept with every waiting study, so on a large farm it names some; `considered` has them all.
  const named = reasons.slice(0, 4).join(' | ');
  const more = reasons.length > 4 ? ` | and ${reasons.length - 4} more` : '';
  return new Explained(
    {
      kind: 'waiting',
      backend: null,
      reason: reasons.length === 0 ? 'there are no backends' : `no backend can take it: ${named}${more}`,
      anyEligible: false,
      waitsFor: null,
      holdsPlace: false,
      alsoOn: null,
    },
    () => considerations(candidates, eligibility, null, holdings),
  );
}

function considerations(
  candidates: readonly Candidate[],
  { passedOver }: Eligibility,
  choice: Choice | null,
  holdings: Holdings,
): ConsideredBackend[] {
  const obstacles = new Map(passedOver.map(({ candidate, reason }) => [candidate.backend, reason]));
  const scores = new Map((choice?.scores ?? []).map((score) => [score.backend, score]));
  const chosen = choice?.kind === 'place' ? choice.backend : null;
  const bestScore = chosen === null ? null : (scores.get(chosen)?.score ?? null);
  // A policy need not score a thousand of them; then those without a score are among the ones that are counted only.
  const shown =
    candidates.length <= mostConsidered
      ? candidates
      : candidates.filter(
          ({ backend }) =>
            backend === chosen || scores.has(backend) || (obstacles.size > 0 && obstacles.has(backend)),
        );
  const all = shown.map((candidate) => {
    const { backend } = candidate;
    const obstacle = obstacles.get(backend);
    const score = scores.get(backend);
    const inputs = { state: stateOf(candidate), ...score?.inputs, ...holdingInputs(backend, holdings) };
    if (obstacle !== undefined) return { backend, score: null, passedOver: obstacle, inputs };
    const scored = score?.score ?? null;
    const why = score?.passedOver ?? comparison(scored, bestScore);
    return { backend, score: scored, passedOver: backend === chosen ? null : why, inputs };
  });
  return shortened(all, candidates.length);
}

/** Of those that are named, backends that were not eligible: all the others may be. */
const mostPassedOver = 7;

/** Those that matter most, in the order given, and a last entry that counts the others. `total`: candidates there were. */
function shortened(all: readonly ConsideredBackend[], total = all.length): ConsideredBackend[] {
  if (total <= mostConsidered) return [...all];
  const scored = all.filter(({ score, passedOver }) => score !== null || passedOver === null);
  const others = all.filter(({ score, passedOver }) => score === null && passedOver !== null);
  const first = scored
    .toSorted((a, b) => rank(a) - rank(b))
    .slice(0, mostConsidered - 1 - Math.min(mostPassedOver, others.length));
  const kept = new Set([...first, ...others.slice(0, mostConsidered - 1 - first.length)]);
  const out = others.filter((one) => !kept.has(one)).length;
  const worse = total - kept.size - out;
  const text = [
    worse === 0 ? null : `${worse} that are no better`,
    out === 0 ? null : `${out} that it could not or need not go to`,
  ];
  const rest = {
    backend: `(${total - kept.size} more)`,
    score: null,
    passedOver: text.filter((part) => part !== null).join(', '),
    inputs: {},
  };
  return [...all.filter((one) => kept.has(one)), rest];
}

function rank({ score, passedOver }: ConsideredBackend): number {
  return passedOver === null ? Number.NEGATIVE_INFINITY : (score ?? Number.POSITIVE_INFINITY);
}

/** For the person who asks later: `ready, up`; what transfers say only where it is against the backend. */
function stateOf({ operator, health, breakerReason }: Candidate): string {
  return `${operator}, ${health}${breakerReason === null ? '' : ', transfers fail'}`;
}

function comparison(score: number | null, bestScore: number | null): string {
  if (bestScore === null) return 'waiting for a better one';
  if (score === null) return 'not scored';
  return score === bestScore
    ? 'equal score, lost the tie'
    : `score ${figure(score)} against ${figure(bestScore)}`;
}

function holdingInputs(backend: string, { held, silent }: Holdings): Record<string, number | string> {
  const instances = held.get(backend);
  if (instances !== undefined) return { held: instances };
  const why = silent.get(backend);
  return why === undefined ? {} : { lookup: why };
}

function holdingText(backend: string, { held, silent }: Holdings): string {
  const instances = held.get(backend);
  if (instances !== undefined) {
    return instances === 0
      ? 'holds nothing of this study'
      : `holds ${count(instances, 'instance')} of this study`;
  }
  return `did not say whether it holds this study (${silent.get(backend) ?? 'not asked'})`;
}

/** Names those that could not be asked: should one of them hold the study, here is why it was not followed. */
function silence({ silent }: Holdings): string {
  if (silent.size === 0) return '';
  const named = [...silent].slice(0, 4).map(([backend, why]) => `${backend} (${why})`);
  const more = silent.size > 4 ? ` and ${silent.size - 4} more` : '';
  return `; did not say whether they hold it: ${named.join(', ')}${more}`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function figure(value: number): string {
  return Number(value.toPrecision(4)).toString();
}

/**
 * The candidates as they are once the study is placed: what was read from the ledger before a batch, plus what the batch itself
 * has done, or, for a study that waits for a backend, as if it were there already. Without this a batch would herd to one backend.
 * What is expected of the study and is not here yet is reserved for it, at the pace at which it arrives.
 */
export function afterPlacement(
  candidates: readonly Candidate[],
  backend: string,
  study: Pick<StudyToPlace, 'instances' | 'bytes'> & Partial<Pick<StudyToPlace, 'expected'>>,
): readonly Candidate[] {
  const { instances, bytes, expected = { instances, bytes, arrivesIn: 0 } } = study;
  const coming = {
    instances: Math.max(0, expected.instances - instances),
    bytes: Math.max(0, expected.bytes - bytes),
  };
  // What is expected at once is as good as here.
  const isHere = !(expected.arrivesIn > 0);
  const index = candidates.findIndex((candidate) => candidate.backend === backend);
  const candidate = candidates[index];
  if (candidate === undefined) return candidates;
  let last = 0;
  for (const { lastPlacement } of candidates) last = Math.max(last, lastPlacement);
  const { reserved } = candidate;
  return candidates.with(index, {
    ...candidate,
    studiesInFlight: candidate.studiesInFlight + 1,
    instancesInFlight: candidate.instancesInFlight + (isHere ? expected.instances : instances),
    bytesInFlight: candidate.bytesInFlight + (isHere ? expected.bytes : bytes),
    lastPlacement: last + 1,
    reserved: isHere
      ? reserved
      : {
          instances: reserved.instances + coming.instances,
          bytes: reserved.bytes + coming.bytes,
          instancesPerSecond: reserved.instancesPerSecond + coming.instances / expected.arrivesIn,
          bytesPerSecond: reserved.bytesPerSecond + coming.bytes / expected.arrivesIn,
        },
  });
}
