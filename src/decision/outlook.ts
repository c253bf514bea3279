import type { EpochMs } from '../study.ts';
import { splitEligible } from './eligible.ts';
import type { Lookup } from './lookup.ts';
import type { Candidate } from './policy.ts';

/**
 * What the backends looked like when a study was left waiting. While that stays the same there is no use in deciding it
 * again, so ten thousand waiting studies cost next to nothing.
 */
export interface Outlook {
  readonly anyEligible: boolean;
  /** Everything eligibility depends on. */
  readonly states: string;
  /** Their health in words, which may change while eligibility does not. */
  readonly reasons: string;
}

/** A study that was left waiting. */
export interface Waiting {
  readonly at: EpochMs;
  readonly lookup: Lookup;
  readonly outlook: Outlook;
}

/** A reason that would only be worded otherwise is kept anew at most this often: each is a row for each waiting study. */
const rewordMs = 30_000;
/** An older answer is asked for anew before a study is placed on the strength of it. */
const freshMs = 10_000;

export function outlookOf(candidates: readonly Candidate[]): Outlook {
  const { eligible } = splitEligible(candidates, new Map());
  return {
    anyEligible: eligible.length > 0,
    states: candidates
      .map((c) => `${c.backend} ${c.operator} ${c.health} ${c.weight > 0} ${c.breakerReason === null}`)
      .join('\n'),
    reasons: candidates.map((c) => c.healthReason ?? '').join('\n'),
  };
}

/** Whether deciding a waiting study again may end otherwise, or say something new. */
export function worthDeciding(waiting: Waiting, outlook: Outlook, now: EpochMs): boolean {
  // Somebody was eligible and the policy chose to wait: that is its own business, and it is asked each time.
  if (waiting.outlook.anyEligible || outlook.anyEligible) return true;
  if (waiting.outlook.states !== outlook.states) return true;
  return waiting.outlook.reasons !== outlook.reasons && now - waiting.at >= rewordMs;
}

/** Whether the backends should be asked once more who holds the study, before it is decided again. */
export function worthLookingUp(
  lookup: Lookup,
  candidates: readonly Candidate[],
  outlook: Outlook,
  now: EpochMs,
): boolean {
  // One that was silent and is up now may be the very one that holds it.
  if (candidates.some((candidate) => candidate.health === 'up' && lookup.silent.has(candidate.backend)))
    return true;
  return outlook.anyEligible && isStale(lookup, now);
}

export function isStale(lookup: Lookup, now: EpochMs): boolean {
  return now - lookup.at > freshMs;
}
