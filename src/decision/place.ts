import type { Ledger } from '../ledger/ledger.ts';
import type { EpochMs, StudyToPlace } from '../study.ts';
import { afterPlacement, decide, type Holdings } from './decide.ts';
import type { Candidate, Policy } from './policy.ts';

export type Outcome =
  /** `candidates`: as they are with this study on its backend. */
  | {
      readonly kind: 'placed';
      readonly backend: string;
      readonly reason: string;
      readonly candidates: readonly Candidate[];
    }
  | { readonly kind: 'waiting'; readonly reason: string }
  /** Placed meanwhile, or taken off the front by somebody: nothing is left to place. */
  | { readonly kind: 'gone' };

/**
 * Decides one copy of a study on the ledger's newest figures of it, and keeps the decision.
 *
 * @throws LedgerError when it could not be kept: then nothing is decided.
 */
export function place(
  ledger: Pick<Ledger, 'study' | 'decide' | 'addEvent'>,
  policy: Policy,
  { studyUid, copy }: { readonly studyUid: string; readonly copy: number },
  candidates: readonly Candidate[],
  holdings: Holdings,
  now: EpochMs,
): Outcome {
  const view = ledger.study(studyUid);
  if (view === null) return { kind: 'gone' };
  const { received, removed, vanished } = view.instances;
  if (received - removed - vanished <= 0) return { kind: 'gone' };
  if (view.assignments.some((assignment) => assignment.copy === copy)) return { kind: 'gone' };

  const study: StudyToPlace = {
    studyUid,
    copy,
    modality: view.modality,
    station: view.station,
    instances: received,
    bytes: view.bytes,
    firstSeenAt: view.firstSeenAt,
    lastNewsAt: view.lastNewsAt,
    expected: { instances: received, bytes: view.bytes, arrivesIn: 0 },
  };
  const taken = new Map(
    view.assignments.map((assignment) => [assignment.backend, 'has another copy of this study']),
  );
  const verdict = decide(policy, study, candidates, now, holdings, taken);
  // What it said counts only of the one that was chosen.
  const clean = verdict.backend !== null && holdings.held.get(verdict.backend) === 0;
  const { alsoOn, waitsFor: _, ...decision } = verdict;
  const assignment = ledger.decide({ studyUid, copy, at: now, policy: policy.name, clean, ...decision });
  if (assignment !== null && alsoOn !== null) {
    const text = `${assignment.backend} holds most of it and gets the rest; a part is also on ${alsoOn}, and stays there`;
    ledger.addEvent(studyUid, { at: now, kind: 'on-several-backends', text });
  }
  if (assignment === null) return { kind: 'waiting', reason: verdict.reason };
  const { backend } = assignment;
  return {
    kind: 'placed',
    backend,
    reason: verdict.reason,
    candidates: afterPlacement(candidates, backend, study),
  };
}
