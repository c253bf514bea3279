import type { Candidate } from '../../src/decision/policy.ts';
import type { StudyToPlace } from '../../src/study.ts';

/** An idle, healthy backend that was never placed on; a test says only what matters to it. */
export function candidate(backend: string, more: Partial<Candidate> = {}): Candidate {
  return {
    backend,
    weight: 1,
    lanes: 2,
    busyLanes: 0,
    studiesInFlight: 0,
    instancesInFlight: 0,
    bytesInFlight: 0,
    lastPlacement: 0,
    operator: 'ready',
    health: 'up',
    healthReason: null,
    breakerReason: null,
    ...more,
  };
}

export function study(studyUid = '1.2.3', more: Partial<StudyToPlace> = {}): StudyToPlace {
  return {
    studyUid,
    copy: 0,
    modality: 'CT',
    station: 'CT1',
    instances: 1,
    bytes: 1000,
    firstSeenAt: 0,
    ...more,
  };
}

/** The backend a choice places on; throws when it waits. */
export function chosen(choice: { kind: string; backend?: string | null }): string {
  if (choice.kind === 'wait' || choice.backend === undefined || choice.backend === null) {
    throw new Error('nothing was placed');
  }
  return choice.backend;
}
