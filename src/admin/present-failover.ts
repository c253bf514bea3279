import type { z } from 'zod';
import type { QuarantinedInstance } from '../ledger/ledger.ts';
import type { Assignment, AuditEntry, EpochMs, Evacuation, FormerCopy, QuarantineCode } from '../study.ts';
import type {
  AuditAnswer,
  EvacuationAnswer,
  FormerCopyAnswer,
  QuarantineAction,
  QuarantineAnswer,
  reboundAnswer,
} from './failover-schemas.ts';

/* The failover's types as the API answers them; see `present.ts`. */

export function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}

export function presentFormerCopy(former: FormerCopy): FormerCopyAnswer {
  return {
    studyInstanceUID: former.studyUid,
    copy: former.copy,
    backend: former.backend,
    target: former.target === '' ? null : former.target,
    state: former.state,
    since: iso(former.since),
    reason: former.reason,
    attempts: former.attempts,
  };
}

export function presentRebound(assignment: Assignment): z.infer<typeof reboundAnswer> {
  return {
    studyInstanceUID: assignment.studyUid,
    copy: assignment.copy,
    backend: assignment.backend,
    epoch: assignment.epoch,
    assignedAt: iso(assignment.assignedAt),
  };
}

export function presentEvacuation(evacuation: Evacuation): EvacuationAnswer {
  return {
    backend: evacuation.backend,
    state: evacuation.state,
    target: evacuation.target,
    bytesPerSecond: evacuation.bytesPerSecond,
    startedAt: iso(evacuation.startedAt),
    endedAt: evacuation.endedAt === null ? null : iso(evacuation.endedAt),
    studies: evacuation.studies,
    moved: evacuation.moved,
    movedInstances: evacuation.movedInstances,
    movedBytes: evacuation.movedBytes,
    waiting: evacuation.waiting,
  };
}

/** What a person can do, by code. A file the front cannot read can neither be sent nor downloaded. */
const remedies: Readonly<
  Record<QuarantineCode, { readonly actions: readonly QuarantineAction[]; readonly advice: string }>
> = {
  conflict: {
    actions: ['retry', 'release', 'download', 'discard'],
    advice:
      'Compare both. Release it with replace if it is the right one, or to another backend; discard it if the backend has the right one.',
  },
  refused: {
    actions: ['retry', 'release', 'download', 'discard'],
    advice:
      'Mend what the backends complain about, then retry; or release it to a backend that takes it; or download and discard it.',
  },
  unreadable: {
    actions: ['retry', 'discard'],
    advice:
      "Mend the front's disk, then retry; if the file is gone for good and the modality still has it, discard it, then send it again.",
  },
};

export function presentQuarantined(instance: QuarantinedInstance, now: EpochMs): QuarantineAnswer {
  const { actions, advice } = remedies[instance.code];
  return {
    front: instance.front,
    orthancId: instance.orthancId,
    studyInstanceUID: instance.studyUid,
    sopInstanceUID: instance.sopUid,
    code: instance.code,
    detail: instance.detail,
    bytes: instance.bytes,
    since: iso(instance.since),
    ageSeconds: Math.max(0, now - instance.since) / 1000,
    actions: [...actions],
    advice,
  };
}

export function presentAudit(entry: AuditEntry): AuditAnswer {
  return {
    at: iso(entry.at),
    who: entry.who,
    action: entry.action,
    target: entry.target,
    detail: entry.detail,
  };
}
