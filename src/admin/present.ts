import type { z } from 'zod';
import type { BackendStatus } from '../backends/pool.ts';
import type { AdmissionState } from '../intake/admission.ts';
import type { HistoryPoint, Ledger, QueueView, StudyEvent, StudyView } from '../ledger/ledger.ts';
import type { EpochMs, Health, StudyState } from '../study.ts';
import type { FrontConfig } from '../topology/topology.ts';
import { iso, presentFormerCopy } from './present-failover.ts';
import type {
  BackendAnswer,
  eventAnswer,
  FrontAnswer,
  HistoryAnswer,
  QueueAnswer,
  receiptAnswer,
  StudyAnswer,
} from './schemas.ts';

/*
 * The project's types as the API answers them. Written out field by field instead of spread: what the API says is a promise
 * to others, and a field that is added inside must not appear outside by accident.
 */

function isoOrNull(at: EpochMs | null): string | null {
  return at === null ? null : iso(at);
}

/** Orthanc Explorer's front page on an Orthanc. */
export function explorerPage(publicUrl: string): string {
  return `${publicUrl}/app/explorer.html`;
}

export function presentBackend(status: BackendStatus): BackendAnswer {
  return {
    name: status.name,
    url: status.url,
    explorer: explorerPage(status.publicUrl),
    state: status.operator,
    weight: status.weight,
    lanes: status.lanes,
    busyLanes: status.busyLanes,
    health: status.health,
    healthReason: status.healthReason,
    healthSince: iso(status.healthSince),
    version: status.version,
    latencyMs: status.latencyMs,
    studiesInFlight: status.studiesInFlight,
    instancesInFlight: status.instancesInFlight,
    bytesInFlight: status.bytesInFlight,
    retryAt: isoOrNull(status.retryAt),
    lastFailure: status.lastFailure,
    outSince: isoOrNull(status.outSince),
    breaker: status.breaker,
    instances: status.instances,
    diskBytes: status.diskBytes,
  };
}

/** @param health what is known of it; absent: it was not asked yet. @param admission absent: nobody closes it */
export function presentFront(
  { name, url, publicUrl }: FrontConfig,
  health: { readonly health: Health; readonly reason: string | null } | undefined,
  admission: Pick<AdmissionState, 'open' | 'reason'> | undefined,
): FrontAnswer {
  return {
    name,
    url,
    explorer: explorerPage(publicUrl),
    health: health?.health ?? 'unknown',
    healthReason: health?.reason ?? null,
    takesImages: admission?.open ?? true,
    refusing: admission?.reason ?? null,
  };
}

/** States in which something of a placed study is still to be sent. */
const unsent: ReadonlySet<StudyState> = new Set(['assigned', 'sending']);

/**
 * @param explorer link to the study on a backend; null where that backend has left the topology
 * @param held why nothing is sent to a backend now; null while it is being sent to
 */
export function presentStudy(
  study: StudyView,
  explorer: (backend: string) => string | null,
  held: (backend: string) => string | null,
): StudyAnswer {
  const copies = study.assignments
    .toSorted((a, b) => a.copy - b.copy)
    .map((assignment) => ({
      copy: assignment.copy,
      backend: assignment.backend,
      epoch: assignment.epoch,
      assignedAt: iso(assignment.assignedAt),
      explorer: explorer(assignment.backend),
    }));
  const first = copies.at(0) ?? null;
  // What keeps a backend from being sent to comes before what went wrong earlier, and is all there is to say of a study that
  // was never tried.
  const heldBack = unsent.has(study.state) ? copies.map(({ backend }) => held(backend)) : [];
  return {
    studyInstanceUID: study.studyUid,
    state: study.state,
    waiting: heldBack.find((reason) => reason !== null) ?? study.waiting,
    backend: first?.backend ?? null,
    epoch: first?.epoch ?? null,
    instances: {
      received: study.instances.received,
      verified: study.instances.verified,
      removed: study.instances.removed,
      quarantined: study.instances.quarantined,
      vanished: study.instances.vanished,
      discarded: study.instances.discarded,
    },
    bytes: study.bytes,
    explorer: first?.explorer ?? null,
    copies,
    formerCopies: study.formerCopies.map(presentFormerCopy),
    modality: study.modality,
    station: study.station,
    remoteAet: study.remoteAet,
    calledAet: study.calledAet,
    fronts: [...study.fronts],
    firstSeenAt: iso(study.firstSeenAt),
    lastNewsAt: iso(study.lastNewsAt),
  };
}

export function presentEvent(event: StudyEvent): z.infer<typeof eventAnswer> {
  return { at: iso(event.at), kind: event.kind, text: event.text };
}

export function presentReceipt(
  receipt: ReturnType<Ledger['receipts']>[number],
): z.infer<typeof receiptAnswer> {
  return {
    orthancId: receipt.orthancId,
    sopInstanceUID: receipt.sopUid,
    backend: receipt.backend,
    copy: receipt.copy,
    epoch: receipt.epoch,
    md5: receipt.md5,
    at: iso(receipt.at),
  };
}

/** @param sendable why nothing goes to a backend now */
export function presentQueue(
  queue: QueueView,
  held: (backend: string) => string | null,
  now: EpochMs,
): QueueAnswer {
  return {
    instances: queue.instances,
    bytes: queue.bytes,
    oldestAt: isoOrNull(queue.oldestAt),
    oldestAgeSeconds: queue.oldestAt === null ? null : Math.max(0, now - queue.oldestAt) / 1000,
    quarantined: queue.quarantined,
    unplacedStudies: queue.unplacedStudies,
    settling: queue.settling,
    formerCopies: queue.formerCopies,
    formerConflicts: queue.formerConflicts,
    backends: queue.backends.map((load) => ({
      backend: load.backend,
      studies: load.studies,
      instances: load.instances,
      bytes: load.bytes,
      oldestAt: isoOrNull(load.oldestAt),
      sending: load.sending,
      retrying: load.retrying,
      nextAttemptAt: isoOrNull(load.nextAttemptAt),
      lastFailure: load.lastFailure,
      held: held(load.backend),
    })),
  };
}

export function presentHistory(point: HistoryPoint): HistoryAnswer {
  return {
    at: iso(point.at),
    orthanc: point.orthanc,
    up: point.up,
    latencyMs: point.latencyMs,
    jobsPending: point.jobsPending,
    jobsRunning: point.jobsRunning,
    activeRequests: point.activeRequests,
    instances: point.instances,
    diskBytes: point.diskBytes,
    transfers: point.transfers,
    transferredInstances: point.transferredInstances,
    transferredBytes: point.transferredBytes,
    transferSeconds: point.transferSeconds,
  };
}
