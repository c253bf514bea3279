import type { ShadowChoice, ShadowCount } from '../ledger/shadow.ts';
import { iso } from './present-failover.ts';
import type { ComparisonAnswer, ShadowAnswer } from './shadow-schemas.ts';

/** Two policies side by side, for each pair that was compared. */
export function presentComparisons(counts: readonly ShadowCount[]): ComparisonAnswer[] {
  const pairs = Map.groupBy(counts, ({ policy, shadow }) => JSON.stringify([policy, shadow]));
  return [...pairs.values()].flatMap((some) => {
    const [first] = some;
    return first === undefined ? [] : [comparisonOf(first, some)];
  });
}

function comparisonOf(
  { policy, shadow }: Pick<ShadowCount, 'policy' | 'shadow'>,
  counts: readonly ShadowCount[],
): ComparisonAnswer {
  const studies = total(counts, (one) => one.studies);
  const timed = total(counts, (one) => one.timed);
  const placed = counts.filter((one) => one.shadowKind === 'place');
  const same = placed.filter(isSame);
  const names = new Set(counts.flatMap((one) => [one.backend, one.shadowBackend ?? one.backend]));
  return {
    policy,
    shadow,
    studies,
    same: total(same, (one) => one.studies),
    otherBackend: total(placed, (one) => one.studies) - total(same, (one) => one.studies),
    wouldWait: total(counts, (one) => (one.shadowKind === 'wait' ? one.studies : 0)),
    failed: total(counts, (one) => (one.shadowKind === 'failed' ? one.studies : 0)),
    agreement: studies === 0 ? null : total(same, (one) => one.studies) / studies,
    timed,
    seconds: timed === 0 ? null : total(counts, (one) => one.seconds) / timed,
    shadowSeconds: timed === 0 ? null : total(counts, (one) => one.shadowSeconds) / timed,
    backends: [...names].toSorted().map((backend) => ({
      backend,
      policy: total(counts, (one) => (one.backend === backend ? one.studies : 0)),
      shadow: total(counts, (one) => (one.shadowBackend === backend ? one.studies : 0)),
      both: total(counts, (one) =>
        one.backend === backend && one.shadowBackend === backend ? one.studies : 0,
      ),
    })),
  };
}

export function presentDiffering(choice: ShadowChoice): ShadowAnswer['differing'][number] {
  return {
    studyInstanceUID: choice.studyUid,
    copy: choice.copy,
    at: iso(choice.at),
    policy: choice.policy,
    backend: choice.backend,
    seconds: choice.seconds,
    shadow: choice.shadow,
    shadowKind: choice.shadowKind,
    shadowBackend: choice.shadowBackend,
    shadowSeconds: choice.shadowSeconds,
    reason: choice.reason,
  };
}

function isSame({ backend, shadowBackend }: ShadowCount): boolean {
  return backend === shadowBackend;
}

function total(counts: readonly ShadowCount[], of: (one: ShadowCount) => number): number {
  return counts.reduce((sum, one) => sum + of(one), 0);
}
