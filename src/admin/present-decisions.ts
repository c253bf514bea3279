import type { StudyView, ViewLedger } from '../ledger/ledger.ts';
import type { Assignment, ConsideredBackend, Decision, StudyState } from '../study.ts';
import type {
  ConsideredAnswer,
  DecisionAnswer,
  DecisionsAnswer,
  OutcomeAnswer,
  WaitAnswer,
} from './decision-schemas.ts';
import { iso } from './present-failover.ts';

/*
 * A study's decisions as the API answers them: what was considered, and for each copy what was predicted beside what happened.
 */

export function presentDecision(decision: Decision): DecisionAnswer {
  return {
    id: decision.id,
    copy: decision.copy,
    epoch: decision.epoch,
    at: iso(decision.at),
    policy: decision.policy,
    kind: decision.kind,
    backend: decision.backend,
    reason: decision.reason,
    considered: decision.considered.map(presentConsidered),
  };
}

/**
 * All there is to say about where a study went, goes, or will go.
 *
 * @param now the backends as a decision at this moment would see them; asked only of a study that waits for one, null when nobody can say
 */
export function presentDecisions(
  ledger: Pick<ViewLedger, 'decisions' | 'receipts'>,
  study: StudyView,
  now: (studyUid: string) => readonly ConsideredBackend[] | null,
): DecisionsAnswer {
  const decisions = ledger.decisions(study.studyUid);
  // Receipts are a row for each image and copy: not read for a study that has no copy anywhere.
  const receipts = study.assignments.length === 0 ? [] : ledger.receipts(study.studyUid);
  return {
    items: decisions.map(presentDecision),
    outcomes: study.assignments.map((assignment) => outcomeOf(study, assignment, decisions, receipts)),
    waits: study.state === 'received' ? waitOf(study, now) : null,
  };
}

function waitOf(
  study: StudyView,
  now: (studyUid: string) => readonly ConsideredBackend[] | null,
): WaitAnswer {
  return {
    reason: study.waiting ?? 'not placed yet',
    since: iso(study.firstSeenAt),
    now: now(study.studyUid)?.map(presentConsidered) ?? null,
  };
}

/** Nothing of it is still to be sent, or in need of a person. */
const everythingProven: ReadonlySet<StudyState> = new Set(['verified', 'healing', 'removed']);

function outcomeOf(
  study: StudyView,
  { copy, epoch, backend, decisionId, assignedAt }: Assignment,
  decisions: readonly Decision[],
  receipts: ReturnType<ViewLedger['receipts']>,
): OutcomeAnswer {
  const decision = decisions.find((one) => one.id === decisionId);
  const own = receipts.filter((receipt) => receipt.copy === copy && receipt.epoch === epoch);
  // By the study's state and not by counting receipts: one of an earlier content, or of what was moved from another backend, is none
  // of what is asked here.
  const isWhole = own.length > 0 && everythingProven.has(study.state);
  const availableAt = isWhole ? own.reduce((latest, { at }) => Math.max(latest, at), 0) : null;
  return {
    copy,
    epoch,
    backend,
    decisionId,
    predicted: decision === undefined ? null : predictionOf(decision),
    happened: {
      instances: study.instances.received,
      bytes: study.bytes,
      proven: own.length,
      lastNewsAt: iso(study.lastNewsAt),
      availableAt: availableAt === null ? null : iso(availableAt),
      seconds: availableAt === null ? null : (availableAt - assignedAt) / 1000,
      // An image announced twice is news and brings no receipt: never less than nothing.
      secondsAfterLastImage: availableAt === null ? null : Math.max(0, availableAt - study.lastNewsAt) / 1000,
    },
  };
}

/** The size a decision reckoned with, and the seconds where its score is a time. Null: it reckoned with neither. */
function predictionOf({ backend, considered }: Decision): OutcomeAnswer['predicted'] {
  const chosen = considered.find((one) => one.backend === backend);
  const instances = figure(chosen, 'instances');
  const bytes = figure(chosen, 'bytes');
  if (instances === null || bytes === null) return null;
  return { instances: Math.round(instances), bytes, seconds: figure(chosen, 'seconds') };
}

function figure(considered: ConsideredBackend | undefined, name: string): number | null {
  const value = considered?.inputs[name];
  return typeof value === 'number' && value >= 0 ? value : null;
}

function presentConsidered(one: ConsideredBackend): ConsideredAnswer {
  return {
    backend: one.backend,
    // An infinite score has no JSON; it would become null, which means "not eligible", and that it was not.
    score: one.score === null || Number.isFinite(one.score) ? one.score : Number.MAX_VALUE,
    passedOver: one.passedOver,
    inputs: { ...one.inputs },
  };
}
