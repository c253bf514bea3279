import type { EpochMs } from '../study.ts';
import { splitEligible } from './eligible.ts';
import type { Lookup } from './lookup.ts';
import type { Candidate } from './policy.ts';

/** What the backends look like to a new study. While that stays the same there is no use in deciding again what nobody could take. */
export interface Outlook {
  readonly anyEligible: boolean;
  /** Everything eligibility depends on, but the study itself. */
  readonly states: string;
  /** Their health in words, which may change while eligibility does not. */
  readonly reasons: string;
}

/** Older answers are asked for anew before a study is placed on the strength of them. */
const freshMs = 10_000;
/** The same where one that did not answer then is up now: it may be the very one that holds the study. */
const freshWithSilentMs = 2_000;

export function outlookOf(candidates: readonly Candidate[]): Outlook {
  const { eligible } = splitEligible(candidates, new Map());
  return {
    anyEligible: eligible.length > 0,
    states: candidates
      .map(
        (c) =>
          `${c.backend} ${c.operator} ${c.health} ${c.weight > 0} ${c.breakerReason === null} ${c.freeBytes === null}`,
      )
      .join('\n'),
    reasons: candidates.map((c) => c.healthReason ?? '').join('\n'),
  };
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
  return new Set(candidates.flatMap(({ backend, health }) => (health === 'up' ? [backend] : [])));
}
