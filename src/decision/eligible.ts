import type { Candidate } from './policy.ts';

export interface PassedOver {
  readonly candidate: Candidate;
  /** For a person; each thing that stands in the way, so that mending one of them brings no surprise. */
  readonly reason: string;
}

export interface Eligibility {
  readonly eligible: readonly Candidate[];
  readonly passedOver: readonly PassedOver[];
}

/**
 * Who may be given a new study. Asked once before a policy, so that no policy has to know of operators or health.
 * `taken`: backends that are out of question for this study, such as one that has another copy: two on one would be one.
 */
export function splitEligible(candidates: readonly Candidate[], taken: Taken): Eligibility {
  const free: Candidate[] = [];
  const reasons = new Map<Candidate, string>();
  for (const candidate of candidates) {
    const obstacles = obstaclesOf(candidate, taken);
    if (obstacles.length === 0) free.push(candidate);
    else reasons.set(candidate, obstacles.join('; '));
  }
  // Failed transfers are soft evidence: the front or the images may be at fault. Where it is against most of those that are
  // left, it says nothing about any of them.
  const doubted = free.filter((candidate) => candidate.breakerReason !== null);
  if (doubted.length * 2 <= free.length) {
    for (const candidate of doubted) reasons.set(candidate, candidate.breakerReason ?? '');
  }
  return {
    eligible: free.filter((candidate) => !reasons.has(candidate)),
    passedOver: candidates.flatMap((candidate) => {
      const reason = reasons.get(candidate);
      return reason === undefined ? [] : [{ candidate, reason }];
    }),
  };
}

/** Backends the study must not go to, with the reason for a person. */
export type Taken = ReadonlyMap<string, string>;

function obstaclesOf(candidate: Candidate, taken: Taken): string[] {
  const obstacles: string[] = [];
  const why = taken.get(candidate.backend);
  if (why !== undefined) obstacles.push(why);
  const operator = operatorObstacle(candidate);
  if (operator !== null) obstacles.push(operator);
  const health = healthObstacle(candidate);
  if (health !== null) obstacles.push(health);
  // Written this way round so that NaN is not eligible either.
  if (!(candidate.weight > 0)) obstacles.push('weight 0: nothing new');
  return obstacles;
}

/** What an operator's state says against a new study; null: nothing. */
export function operatorObstacle(candidate: Candidate): string | null {
  switch (candidate.operator) {
    case 'ready':
      return null;
    case 'drain':
      return 'drain: takes no new studies';
    case 'maint':
      return 'maint: taken out by an operator';
  }
}

/** What the backend's health says against it; null: nothing. */
export function healthObstacle(candidate: Candidate): string | null {
  switch (candidate.health) {
    case 'up':
      return null;
    case 'down':
      return candidate.healthReason ?? 'down';
    case 'unknown':
      return candidate.healthReason ?? 'not heard from yet';
  }
}
