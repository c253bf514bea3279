import type { Rig } from '../backends/rig.ts';

/** Binds a study's first copy anew, as a person would who knows where it is now. */
export function rebindTo(
  { ledger, time }: Pick<Rig, 'ledger' | 'time'>,
  studyUid: string,
  backend: string,
): void {
  const made = ledger.rebind({
    studyUid,
    copy: 0,
    at: time.clock(),
    policy: 'operator',
    kind: 'rebound',
    backend,
    reason: 'for a test',
    considered: [],
    expectedEpoch: ledger.assignments(studyUid).find(({ copy }) => copy === 0)?.epoch ?? 0,
  });
  if (made === null) throw new Error('it was not bound anew');
}
