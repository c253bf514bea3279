import type { BackendPool } from '../backends/pool.ts';
import type { Policy } from '../decision/policy.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Assignment, AuditEntry, EpochMs } from '../study.ts';
import { chooseAnew, type Expected } from './choose-anew.ts';
import { FailoverError } from './failover.ts';

export interface RebindContext {
  readonly ledger: Pick<Ledger, 'study' | 'formerCopies' | 'assignments' | 'rebind'>;
  readonly pool: Pick<BackendPool, 'names' | 'outSince' | 'candidates'>;
  readonly policy: () => Policy;
  readonly expected: Expected;
}

/**
 * Ends this assignment and makes the next, on a backend that a person named or, with null, on one the policy chooses. A named one
 * may be down or drained: the person knows, and the images wait for it.
 * @throws FailoverError when it cannot be, LedgerError
 */
export function rebindByHand(
  { ledger, pool, policy, expected }: RebindContext,
  {
    current,
    backend,
    reason,
    now,
    entryOf,
  }: {
    current: Assignment;
    backend: string | null;
    reason: string;
    now: EpochMs;
    /** For the audit trail, where this study's move is itself what a person asked for. */
    entryOf?: (made: Assignment) => AuditEntry;
  },
): Assignment {
  const { studyUid, copy, epoch } = current;
  if (backend === null) {
    const study = { ...current, refusedBy: [] };
    const context = { ledger, pool, policy: policy(), expected, now };
    const chosen = chooseAnew(context, { study, reason }, pool.candidates());
    if (chosen.kind === 'waits')
      throw new FailoverError('no-other-backend', `No other backend: ${chosen.reason}.`);
    return done(ledger.rebind(chosen.request, entryOf), ledger, current, chosen.backend);
  }
  if (!pool.names().includes(backend)) {
    throw new FailoverError('unknown-backend', `There is no backend ${backend} in the topology.`);
  }
  const request = {
    studyUid,
    copy,
    at: now,
    policy: 'operator',
    kind: 'rebound' as const,
    backend,
    reason,
    considered: [],
    expectedEpoch: epoch,
  };
  return done(ledger.rebind(request, entryOf), ledger, current, backend);
}

/** The ledger says only that it would not; a person wants to know why. */
function done(
  assignment: Assignment | null,
  ledger: RebindContext['ledger'],
  { studyUid, copy }: Assignment,
  backend: string,
): Assignment {
  if (assignment !== null) return assignment;
  const there = ledger.assignments(studyUid).find((one) => one.backend === backend);
  if (there?.copy === copy) {
    throw new FailoverError('already-there', `Study ${studyUid} is bound to ${backend} already.`);
  }
  if (there !== undefined) {
    throw new FailoverError('has-another-copy', `${backend} has another copy of study ${studyUid}.`);
  }
  throw new FailoverError(
    'being-deleted-there',
    `${backend} is just being asked to delete its former copy of study ${studyUid}; try again in a moment.`,
  );
}
