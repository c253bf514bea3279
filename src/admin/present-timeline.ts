import type { Ledger, StudyView } from '../ledger/ledger.ts';
import type { StudyTimeline, TimelineGroup } from '../ledger/timeline.ts';
import type { EpochMs } from '../study.ts';
import type { TimelineAnswer } from './observe-schemas.ts';
import { iso } from './present-failover.ts';

type Item = TimelineAnswer['items'][number];
type Moment = Omit<Item, 'at'> & { readonly at: EpochMs };

/** What follows sooner than that is told together: a study that trickles in goes in a hundred transfers. */
const togetherMs = 60_000;

const nothing = {
  detail: null,
  backend: null,
  front: null,
  instances: null,
  bytes: null,
  seconds: null,
  decisionId: null,
} as const;

/** A study's life, oldest first. */
export function presentTimeline(
  ledger: Pick<Ledger, 'timeline' | 'events'>,
  study: StudyView,
): TimelineAnswer {
  const { arrivals, proofs, ends, decisions, acts } = ledger.timeline(study.studyUid);
  const moments: Moment[] = [
    ...together(arrivals, ({ front }) => front).map(({ of, runs: _runs, ...group }) => ({
      ...nothing,
      ...amountOf(group),
      kind: 'received' as const,
      title: `${images(group.instances)} received on ${of.front}`,
      front: of.front,
    })),
    ...decisions.map(decided),
    ...together(
      proofs.map((proof) => ({ ...proof, firstAt: proof.startedAt ?? proof.firstAt })),
      ({ backend, copy, epoch, front }) => `${front} ${backend} ${copy} ${epoch}`,
    ).map(transferred),
    ...wholeOf(study, proofs),
    ...together(ends, ({ front, state, code }) => `${front} ${state} ${code}`).map(ended),
    ...ledger.events(study.studyUid).map(({ at, kind, text }) => ({
      ...nothing,
      at,
      kind: 'event' as const,
      title: text,
      detail: kind,
    })),
    ...acts.map(({ at, who, action, detail }) => ({
      ...nothing,
      at,
      kind: 'operator' as const,
      title: `${who}: ${action}`,
      detail: detail === '' ? null : detail,
    })),
  ];
  return {
    items: moments
      .toSorted((a, b) => a.at - b.at || order(a) - order(b))
      .map(({ at, ...item }) => ({ at: iso(at), ...item })),
  };
}

/** Of what has the same time, in the order in which it must have been. */
const orders: Partial<Record<Item['kind'], number>> = { received: 0, decision: 1, transfer: 2, proven: 3 };
function order({ kind }: Moment): number {
  return orders[kind] ?? 4;
}

type Together<G extends TimelineGroup> = TimelineGroup & {
  /** The first of them. */
  readonly of: G;
  /** How many groups it was. */
  readonly runs: number;
};

/** Groups of the same kind that follow each other soon, as one. They come in the order of their beginning. */
function together<G extends TimelineGroup>(
  groups: readonly G[],
  kindOf: (group: G) => string,
): Together<G>[] {
  const open = new Map<string, Together<G>>();
  const all: Together<G>[] = [];
  const close = (one: Together<G> | undefined): void => {
    if (one !== undefined) all.push(one);
  };
  for (const group of groups) {
    const { firstAt, lastAt, instances, bytes } = group;
    const key = kindOf(group);
    const before = open.get(key);
    if (before !== undefined && firstAt - before.lastAt <= togetherMs) {
      open.set(key, {
        ...before,
        lastAt: Math.max(before.lastAt, lastAt),
        instances: before.instances + instances,
        bytes: before.bytes + bytes,
        runs: before.runs + 1,
      });
      continue;
    }
    close(before);
    open.set(key, { firstAt, lastAt, instances, bytes, of: group, runs: 1 });
  }
  for (const one of open.values()) close(one);
  return all;
}

function amountOf({ firstAt, lastAt, instances, bytes }: TimelineGroup) {
  return {
    at: firstAt,
    instances,
    bytes,
    seconds: lastAt > firstAt ? (lastAt - firstAt) / 1000 : null,
  };
}

const decisionTitles: Readonly<Record<StudyTimeline['decisions'][number]['kind'], string>> = {
  placed: 'Placed on',
  followed: 'Follows what is already on',
  rebound: 'Bound anew, to',
  waiting: 'Waits',
};

function decided({ id, at, kind, backend, policy, reason }: StudyTimeline['decisions'][number]): Moment {
  return {
    ...nothing,
    at,
    kind: 'decision',
    title: backend === null ? decisionTitles.waiting : `${decisionTitles[kind]} ${backend}`,
    detail: `${policy}: ${reason}`,
    backend,
    decisionId: id,
  };
}

function transferred({ of, runs, ...group }: Together<StudyTimeline['proofs'][number]>): Moment {
  const times = runs === 1 ? '' : ` in ${runs} transfers`;
  return {
    ...nothing,
    ...amountOf(group),
    kind: 'transfer',
    title: `${images(group.instances)} sent to ${of.backend} and proven there${times}`,
    backend: of.backend,
    front: of.front,
  };
}

/** That everything is proven where it is bound now; nothing while anything is not. */
function wholeOf(study: StudyView, proofs: StudyTimeline['proofs']): Moment[] {
  const { received, verified, discarded, vanished } = study.instances;
  if (verified === 0 || verified < received - discarded - vanished) return [];
  return study.assignments.flatMap(({ copy, epoch, backend }) => {
    const own = proofs.filter((proof) => proof.copy === copy && proof.epoch === epoch);
    if (own.length === 0) return [];
    const at = own.reduce((latest, { lastAt }) => Math.max(latest, lastAt), 0);
    return [
      {
        ...nothing,
        at,
        kind: 'proven' as const,
        title: `Everything proven on ${backend}`,
        backend,
        instances: verified,
      },
    ];
  });
}

const endTitles: Readonly<Record<StudyTimeline['ends'][number]['state'], string>> = {
  removed: 'removed from',
  vanished: 'vanished without a proof from',
  quarantined: 'in quarantine on',
};

function ended({ of, runs: _runs, ...group }: Together<StudyTimeline['ends'][number]>): Moment {
  return {
    ...nothing,
    ...amountOf(group),
    kind: of.state,
    title: `${images(group.instances)} ${endTitles[of.state]} ${of.front}`,
    detail: of.code === null ? null : `${of.code}: ${of.detail ?? ''}`,
    front: of.front,
  };
}

function images(count: number): string {
  return count === 1 ? '1 image' : `${count} images`;
}
