import type { ConsideredBackend, DecisionKind, EpochMs, StudyToPlace } from '../study.ts';
import { type Eligibility, healthObstacle, operatorObstacle, splitEligible, type Taken } from './eligible.ts';
import type { Candidate, Choice, Policy } from './policy.ts';

/** What is decided of one copy of a study, before the ledger has it. */
export interface Verdict {
  readonly kind: DecisionKind;
  readonly backend: string | null;
  /** For a person. That of a `waiting` verdict holds no figure that changes by itself: the ledger keeps it once. */
  readonly reason: string;
  /** Every candidate, in the order given. */
  readonly considered: readonly ConsideredBackend[];
  /** Of a study that waits: the backend it waits for, where it holds a virtual place; null otherwise. */
  readonly waitsFor: string | null;
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

  const eligibility = splitEligible(candidates, taken);
  if (eligibility.eligible.length === 0) return nobody(candidates, eligibility, holdings);

  const choice = policy.choose(study, eligibility.eligible, now);
  const considered = considerations(candidates, eligibility, choice, holdings);
  if (choice.kind === 'wait') {
    const { reason, backend: waitsFor } = choice;
    return { kind: 'waiting', backend: null, reason, considered, waitsFor, alsoOn: null };
  }
  if (!eligibility.eligible.some((candidate) => candidate.backend === choice.backend)) {
    throw new Error(`policy ${policy.name} chose ${choice.backend}, which was not eligible`);
  }
  const reason = choice.reason + silence(holdings);
  return { kind: 'placed', backend: choice.backend, reason, considered, waitsFor: null, alsoOn: null };
}

interface Holder {
  readonly candidate: Candidate;
  readonly instances: number;
}

/** The candidate that holds most of the study; of equals the first in the topology. Null: nobody said to hold any of it. */
function holderOf(candidates: readonly Candidate[], { held }: Holdings, taken: Taken): Holder | null {
  let holder: Holder | null = null;
  for (const candidate of candidates) {
    const instances = held.get(candidate.backend) ?? 0;
    if (taken.has(candidate.backend) || instances <= (holder?.instances ?? 0)) continue;
    holder = { candidate, instances };
  }
  return holder;
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
  return {
    kind: 'followed',
    backend: candidate.backend,
    reason: `holds ${count(instances, 'instance')} of this study already${also}${although}${silence(holdings)}`,
    waitsFor: null,
    alsoOn,
    considered: candidates.map((other) => ({
      backend: other.backend,
      score: null,
      passedOver: other.backend === candidate.backend ? null : holdingText(other.backend, holdings),
      inputs: holdingInputs(other.backend, holdings),
    })),
  };
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
  return {
    kind: 'waiting',
    backend: null,
    reason: reasons.length === 0 ? 'there are no backends' : `no backend can take it: ${named}${more}`,
    considered: considerations(candidates, eligibility, null, holdings),
    waitsFor: null,
    alsoOn: null,
  };
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
  return candidates.map(({ backend }) => {
    const obstacle = obstacles.get(backend);
    const score = scores.get(backend);
    const inputs = { ...score?.inputs, ...holdingInputs(backend, holdings) };
    if (obstacle !== undefined) return { backend, score: null, passedOver: obstacle, inputs };
    const scored = score?.score ?? null;
    return {
      backend,
      score: scored,
      passedOver: backend === chosen ? null : comparison(scored, bestScore),
      inputs,
    };
  });
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
 * has done. Without this a batch would herd to one backend.
 */
export function afterPlacement(
  candidates: readonly Candidate[],
  backend: string,
  study: Pick<StudyToPlace, 'instances' | 'bytes'>,
): readonly Candidate[] {
  const last = candidates.reduce((highest, candidate) => Math.max(highest, candidate.lastPlacement), 0);
  return candidates.map((candidate) =>
    candidate.backend === backend
      ? {
          ...candidate,
          studiesInFlight: candidate.studiesInFlight + 1,
          instancesInFlight: candidate.instancesInFlight + study.instances,
          bytesInFlight: candidate.bytesInFlight + study.bytes,
          lastPlacement: last + 1,
        }
      : candidate,
  );
}
