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
 * `taken`: backends that have another copy of the study; two copies on one backend would be one.
 */
export function splitEligible(candidates: readonly Candidate[], taken: ReadonlySet<string>): Eligibility {
  const eligible: Candidate[] = [];
  const passedOver: PassedOver[] = [];
  for (const candidate of candidates) {
    const obstacles = obstaclesOf(candidate, taken);
    if (obstacles.length === 0) eligible.push(candidate);
    else passedOver.push({ candidate, reason: obstacles.join('; ') });
  }
  return { eligible, passedOver };
}

function obstaclesOf(candidate: Candidate, taken: ReadonlySet<string>): string[] {
  const obstacles: string[] = [];
  if (taken.has(candidate.backend)) obstacles.push('has another copy of this study');
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
