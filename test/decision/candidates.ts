import { prior } from '../../src/backends/model/service.ts';
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
    service: prior,
    reserved: { instances: 0, bytes: 0, instancesPerSecond: 0, bytesPerSecond: 0 },
    quiet: null,
    freeBytes: null,
    diskBytes: null,
    ...more,
  };
}

export function study(studyUid = '1.2.3', more: Partial<StudyToPlace> = {}): StudyToPlace {
  const { instances = 1, bytes = 1000 } = more;
  return {
    studyUid,
    copy: 0,
    modality: 'CT',
    station: 'CT1',
    instances,
    bytes,
    firstSeenAt: 0,
    lastNewsAt: 0,
    expected: { instances, bytes, arrivesIn: 0 },
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
