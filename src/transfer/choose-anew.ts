import type { ArrivingStudy } from '../backends/model/size.ts';
import type { BackendPool } from '../backends/pool.ts';
import { afterPlacement, decide } from '../decision/decide.ts';
import type { Taken } from '../decision/eligible.ts';
import type { Candidate, Policy } from '../decision/policy.ts';
import type { Ledger, RebindRequest } from '../ledger/ledger.ts';
import type { BoundStudy, EpochMs, StudySize, StudyToPlace } from '../study.ts';

/** A study that should go to another backend, and why. */
export interface Move {
  readonly study: Pick<BoundStudy, 'studyUid' | 'copy' | 'epoch' | 'backend' | 'refusedBy'>;
  /** For a person; what the policy says of the new one is added. */
  readonly reason: string;
}

/** How large a study will be in the end: one whose backend goes out while it arrives has most of its way before it. */
export type Expected = (study: ArrivingStudy, now: EpochMs) => StudySize;

export interface ChooseContext {
  readonly ledger: Pick<Ledger, 'study' | 'formerCopies'>;
  readonly pool: Pick<BackendPool, 'names' | 'outSince'>;
  readonly policy: Policy;
  readonly expected: Expected;
  readonly now: EpochMs;
}

export type ChosenAnew =
  /** `candidates`: as they are with this study on its new backend. */
  | {
      readonly kind: 'chosen';
      readonly backend: string;
      readonly request: RebindRequest;
      readonly candidates: readonly Candidate[];
    }
  | { readonly kind: 'waits'; readonly reason: string };

/** Backends that nothing is bound anew to: the one that is left, and those that are out themselves, so that nothing goes to and fro. */
export function obstaclesTo(pool: Pick<BackendPool, 'names' | 'outSince'>, leaving: string): Taken {
  const taken = new Map<string, string>();
  for (const name of pool.names()) {
    const out = pool.outSince(name);
    if (out !== null) taken.set(name, `out since ${new Date(out.since).toISOString()}: ${out.reason}`);
  }
  return taken.set(leaving, 'the study leaves it');
}

/** Chooses by the policy among all others. Nothing is changed. */
export function chooseAnew(
  { ledger, pool, policy, expected, now }: ChooseContext,
  { study, reason }: Move,
  candidates: readonly Candidate[],
): ChosenAnew {
  const view = ledger.study(study.studyUid);
  if (view === null) return { kind: 'waits', reason: 'it is not known' };
  const taken = new Map(obstaclesTo(pool, study.backend));
  for (const { backend, copy } of view.assignments) {
    if (copy !== study.copy) taken.set(backend, 'has another copy of this study');
  }
  for (const { backend, state } of ledger.formerCopies({ studyUid: study.studyUid })) {
    if (state === 'deleting') taken.set(backend, 'is being asked to delete its former copy of this study');
  }
  for (const backend of study.refusedBy) taken.set(backend, 'refused an instance of this study');
  const arriving = {
    modality: view.modality,
    station: view.station,
    instances: view.instances.received,
    bytes: view.bytes,
    firstSeenAt: view.firstSeenAt,
    lastNewsAt: view.lastNewsAt,
  };
  const toPlace: StudyToPlace = {
    studyUid: study.studyUid,
    copy: study.copy,
    ...arriving,
    expected: expected(arriving, now),
  };
  const verdict = decide(policy, toPlace, candidates, now, undefined, taken);
  // What has a backend that is out must not wait for a free lane elsewhere as well: those are taken by new studies the moment they
  // are free, and it would never have its turn. Bound to the one it would wait for, it goes by its age.
  const backend = verdict.backend ?? verdict.waitsFor;
  if (backend === null) return { kind: 'waits', reason: verdict.reason };
  const why =
    verdict.backend === null
      ? 'soonest there, for this study and for those that come next, after waiting for a lane'
      : verdict.reason;
  const considered = verdict.considered.map((one) =>
    one.backend === backend ? { ...one, passedOver: null } : one,
  );
  return {
    kind: 'chosen',
    backend,
    request: {
      studyUid: study.studyUid,
      copy: study.copy,
      at: now,
      policy: policy.name,
      kind: 'rebound',
      backend,
      reason: `${reason}; ${why}`,
      considered,
      expectedEpoch: study.epoch,
    },
    candidates: afterPlacement(candidates, backend, toPlace),
  };
}

/** The request, with what the new backend said that it holds of the study: nothing means that what it holds later came from here. */
export function withHolding(request: RebindRequest, held: number | undefined): RebindRequest {
  if (held === undefined) return request;
  return {
    ...request,
    clean: held === 0,
    considered: request.considered.map((one) =>
      one.backend === request.backend ? { ...one, inputs: { ...one.inputs, held } } : one,
    ),
  };
}
