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

/** Free space that a new study must leave on a backend's disk: the larger of the two. Late images of its other studies need it. */
const reserve = { bytes: 20e9, share: 0.05 };
/** No more than this share of the disk, though: otherwise a small one would never take anything. */
const largestReserve = 0.2;

/**
 * Who may be given a new study. Asked once before a policy, so that no policy has to know of operators, health or disks.
 * `taken`: backends that are out of question for this study, such as one that has another copy: two on one would be one.
 * `bytes`: what the study is expected to need.
 */
export function splitEligible(candidates: readonly Candidate[], taken: Taken, bytes = 0): Eligibility {
  const free: Candidate[] = [];
  const reasons = new Map<Candidate, string>();
  let doubted = 0;
  for (const candidate of candidates) {
    const obstacle = obstacleOf(candidate, taken, bytes);
    if (obstacle !== null) reasons.set(candidate, obstacle);
    else {
      free.push(candidate);
      if (candidate.breakerReason !== null) doubted++;
    }
  }
  // Failed transfers are soft evidence: the front or the images may be at fault. Where it is against most of those that are
  // left, it says nothing about any of them.
  if (doubted > 0 && doubted * 2 <= free.length) {
    for (const candidate of free) {
      if (candidate.breakerReason !== null) reasons.set(candidate, candidate.breakerReason);
    }
  }
  if (reasons.size === 0) return { eligible: free, passedOver: [] };
  return {
    eligible: free.filter((candidate) => !reasons.has(candidate)),
    passedOver: candidates.flatMap((candidate) => {
      const reason = reasons.get(candidate);
      return reason === undefined ? [] : [{ candidate, reason }];
    }),
  };
}

/**
 * False: no study at all may be given to it now. True says less than it seems to: its disk, its failed transfers and what else a study has to do with it
 * are looked at for each study.
 */
export function isOpen(candidate: Candidate): boolean {
  return candidate.operator === 'ready' && candidate.health === 'up' && candidate.weight > 0;
}

/**
 * How large a study may be that could certainly be given to one of these now, were nothing else against it; below 0: nobody is certain to take
 * any.
 */
export function roomFor(candidates: readonly Candidate[]): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const candidate of candidates) {
    if (!isOpen(candidate) || candidate.breakerReason !== null) continue;
    const { freeBytes } = candidate;
    most = Math.max(most, freeBytes === null ? Number.POSITIVE_INFINITY : freeBytes - keptFree(candidate));
  }
  return most;
}

/** Backends the study must not go to, with the reason for a person. */
export type Taken = ReadonlyMap<string, string>;

/** Everything that stands in the way; null: nothing. */
function obstacleOf(candidate: Candidate, taken: Taken, bytes: number): string | null {
  // Nearly always nothing does, and of a thousand candidates none needs a list to learn that.
  if (isOpen(candidate) && candidate.freeBytes === null && !taken.has(candidate.backend)) return null;
  const obstacles = [
    taken.get(candidate.backend) ?? null,
    operatorObstacle(candidate),
    healthObstacle(candidate),
    // Written this way round so that NaN is not eligible either.
    candidate.weight > 0 ? null : 'weight 0: nothing new',
    diskObstacle(candidate, bytes),
  ].filter((obstacle) => obstacle !== null);
  return obstacles.length === 0 ? null : obstacles.join('; ');
}

/** Says no figure of what is free: the reason is kept once for each study that waits, and would be kept anew with each image. */
function diskObstacle(candidate: Candidate, bytes: number): string | null {
  const { freeBytes } = candidate;
  if (freeBytes === null) return null;
  const kept = keptFree(candidate);
  return freeBytes - bytes >= kept ? null : `too little free on its disk: ${gigabytes(kept)} GB stay free`;
}

function keptFree({ diskBytes }: Candidate): number {
  if (diskBytes === null) return reserve.bytes;
  return Math.min(Math.max(reserve.bytes, reserve.share * diskBytes), largestReserve * diskBytes);
}

function gigabytes(value: number): string {
  return Number((value / 1e9).toPrecision(3)).toString();
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
