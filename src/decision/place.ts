import type { Ledger } from '../ledger/ledger.ts';
import type { EpochMs } from '../study.ts';
import type { Holdings, Verdict } from './decide.ts';

export type Outcome =
  | { readonly kind: 'placed'; readonly backend: string }
  | { readonly kind: 'waiting' }
  /** Placed meanwhile, or taken off the front by somebody: nothing is left to place. */
  | { readonly kind: 'gone' };

/** Keeps a verdict on one copy of a study. @throws LedgerError when it could not be kept: then nothing is decided. */
export function place(
  ledger: Pick<Ledger, 'unplacedStudy' | 'decide' | 'addEvent'>,
  policy: string,
  { studyUid, copy }: { readonly studyUid: string; readonly copy: number },
  verdict: Verdict,
  holdings: Holdings,
  now: EpochMs,
): Outcome {
  // Between the verdict and this moment the hook and others had their turns.
  if (ledger.unplacedStudy(studyUid, copy) === null) return { kind: 'gone' };
  // What it said counts only of the one that was chosen.
  const clean = verdict.backend !== null && holdings.held.get(verdict.backend) === 0;
  const { kind, backend, reason, considered, alsoOn } = verdict;
  const decision = { studyUid, copy, at: now, policy, clean, kind, backend, reason, considered };
  const assignment = ledger.decide(decision);
  if (assignment === null) return { kind: 'waiting' };
  if (alsoOn !== null) {
    const text = `${assignment.backend} holds most of it and gets the rest; a part is also on ${alsoOn}, and stays there`;
    ledger.addEvent(studyUid, { at: now, kind: 'on-several-backends', text });
  }
  return { kind: 'placed', backend: assignment.backend };
}
