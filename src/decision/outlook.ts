import type { EpochMs } from '../study.ts';
import { splitEligible } from './eligible.ts';
import type { Lookup } from './lookup.ts';
import type { Candidate } from './policy.ts';

/** What the backends look like to a new study. While that stays the same there is no use in deciding again what nobody could take. */
export interface Outlook {
  readonly anyEligible: boolean;
  readonly candidates: readonly Candidate[];
}

/** Older answers are asked for anew before a study is placed on the strength of them. */
const freshMs = 10_000;
/** The same where one that did not answer then is up now: it may be the very one that holds the study. */
const freshWithSilentMs = 2_000;

export function outlookOf(candidates: readonly Candidate[]): Outlook {
  const { eligible } = splitEligible(candidates, new Map());
  return {
    anyEligible: eligible.length > 0,
    candidates,
  };
}

/**
 * Whether everything eligibility depends on, but the study itself, is as it was. Compared one by one: a text of all backends, made anew for
 * each round, is a thousand strings on a large farm.
 */
export function areStatesAlike(one: Outlook, other: Outlook): boolean {
  return areAlike(
    one,
    other,
    (a, b) =>
      a.backend === b.backend &&
      a.operator === b.operator &&
      a.health === b.health &&
      a.weight > 0 === b.weight > 0 &&
      (a.breakerReason === null) === (b.breakerReason === null) &&
      (a.freeBytes === null) === (b.freeBytes === null),
  );
}

/** The same of their health in words, which may change while eligibility does not. */
export function areReasonsAlike(one: Outlook, other: Outlook): boolean {
  return areAlike(one, other, (a, b) => a.healthReason === b.healthReason);
}

function areAlike(one: Outlook, other: Outlook, isAlike: (a: Candidate, b: Candidate) => boolean): boolean {
  return (
    one.candidates.length === other.candidates.length &&
    one.candidates.every((a, index) => {
      const b = other.candidates[index];
      return b !== undefined && isAlike(a, b);
    })
  );
}

/** Whether the backends should be asked once more who holds the study, before it is placed. `up`: backends that are up now. */
export function isStale(lookup: Lookup, up: ReadonlySet<string>, now: EpochMs): boolean {
  const age = now - lookup.at;
  return age > freshMs || (age > freshWithSilentMs && silentButUp(lookup, up));
}

/** Whether one that did not answer is up now. */
export function silentButUp({ silent }: Lookup, up: ReadonlySet<string>): boolean {
  for (const backend of silent.keys()) if (up.has(backend)) return true;
  return false;
}

export function upOf(candidates: readonly Candidate[]): ReadonlySet<string> {
  const up = new Set<string>();
  for (const { backend, health } of candidates) if (health === 'up') up.add(backend);
  return up;
}
