import type { Ledger } from '../ledger/ledger.ts';
import type { Assignment, Delivery } from '../study.ts';

/** Whether its assignment is the current one still; asked once for each study of a chunk. */
export function stillBound(ledger: Pick<Ledger, 'assignments'>): (delivery: Delivery) => boolean {
  const known = new Map<string, readonly Assignment[]>();
  return ({ studyUid, copy, epoch }) => {
    const assignments = known.get(studyUid) ?? ledger.assignments(studyUid);
    known.set(studyUid, assignments);
    return assignments.some((current) => current.copy === copy && current.epoch === epoch);
  };
}
