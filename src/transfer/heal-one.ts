import { setImmediate } from 'node:timers/promises';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock, EpochMs, FormerCopy } from '../study.ts';
import { type BringOverDeps, bringOver, type Ends } from './bring-over.ts';
import { knowledgeOf } from './former.ts';
import { type Shared, sharedNow } from './one-orthanc.ts';

export interface HealOneDeps extends BringOverDeps {
  readonly ledger: Ledger;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly backends: ReadonlyMap<string, Orthanc>;
  readonly log: Logger;
  /** Whether a backend is one of the fronts in truth, under another address. Absent: none is. */
  readonly isFront?: (backend: string) => Promise<boolean>;
}

/** What is remembered of a former copy from one look at it to the next. Forgotten at a restart, which costs another look. */
export interface Memory {
  /** Since when every look has shown nothing of the study there. */
  emptySince: EpochMs | null;
  /** When the former backend was last asked to delete some of it. */
  askedAt: EpochMs | null;
  instances: number;
  bytes: number;
}

/** How a look at a former copy ended. */
export type Look =
  | { readonly kind: 'gone' }
  /** It is no copy of its own: the file is that of another name of the same Orthanc. */
  | ({ readonly kind: 'shared' } & Shared)
  /** `waitMs` null: something failed, and it is backed off from. */
  | {
      readonly kind: 'later';
      readonly state: 'waiting' | 'conflict' | 'deleting';
      readonly reason: string;
      readonly waitMs: number | null;
    };

/** Instances compared together: few enough that their proofs are written between two hooks. */
const comparedAtOnce = 100;
/** The former backend holds its index for the whole of a deletion, and answers nobody meanwhile. */
const deletedAtOnce = 100;
/** What was on its way to the former backend when it was last empty has arrived by then. */
const confirmMs = 3000;
/** A cancelled job needs a moment to end. */
const jobMs = 2000;
/** A job of a front that nobody can ask any more is over by then. */
const frontGoneMs = 15 * 60_000;
/** The topology must be put right first; whether it was is looked at this often. */
const frontAgainMs = 5000;
/** A deletion whose answer never came is over by then. */
const deletionOverMs = 60_000;

/**
 * One look at a former copy, and what can be done about it now. The order is what matters: no front is sending there; all that is
 * there is proven, with the same content and in a file of its own, on the current backend; that is committed and on disk; the current
 * backend still lists it; only then is the former one asked to delete. It is gone only when a later look shows nothing either, since
 * what a stalled backend had in its buffers comes out after it.
 *
 * @throws OrthancError of whoever failed, LedgerError
 */
export async function healOne(
  deps: HealOneDeps,
  row: FormerCopy,
  memory: Memory,
  signal: AbortSignal,
): Promise<Look> {
  const { ledger, clock } = deps;
  const { studyUid } = row;
  const former = need(deps.backends, row.backend);
  const current = need(deps.backends, row.target);
  const state = row.state === 'deleting' ? ('deleting' as const) : ('waiting' as const);
  const later = (reason: string, waitMs: number | null): Look => ({ kind: 'later', state, reason, waitMs });

  const alias = await oneThatIsAFront(deps, row);
  if (alias !== null) return later(alias, frontAgainMs);
  const sender = await stillSending(deps, row, { former, current }, signal);
  if (sender !== null) return later(sender, jobMs);
  const there = await former.studyInstanceIds(studyUid, { signal });
  if (there.length === 0) {
    memory.emptySince ??= clock();
    if (clock() - memory.emptySince >= confirmMs) return { kind: 'gone' };
    return later(`nothing is left on ${row.backend}; looked at once more, for what may come late`, confirmMs);
  }
  memory.emptySince = null;

  const known = knowledgeOf(ledger, row);
  const sizes = await former.sizes(there, { signal });
  const proven: string[] = [];
  const conflicts: string[] = [];
  const shared: string[] = [];
  for (let from = 0; from < there.length; from += comparedAtOnce) {
    const some = await bringOver(deps, row, { former, current }, there.slice(from, from + comparedAtOnce), {
      known,
      sizes,
      signal,
    });
    proven.push(...some.proven);
    conflicts.push(...some.conflicts);
    shared.push(...some.shared);
    await setImmediate();
  }
  const [sharedId] = shared;
  if (sharedId !== undefined)
    return isShared(deps, row, memory, { other: row.target, orthancId: sharedId }, later);
  if (conflicts.length > 0) return inConflict(deps, row, memory, conflicts, later);

  const listed = new Set(await current.studyInstanceIds(studyUid, { signal }));
  if (proven.some((id) => !listed.has(id)))
    return later(`${row.target} does not list any more what it had of the study a moment ago`, null);
  for (let from = 0; from < proven.length; from += deletedAtOnce) {
    const some = proven.slice(from, from + deletedAtOnce);
    const since = await oneThatIsAFront(deps, row);
    if (since !== null) return later(since, frontAgainMs);
    const bound = boundTo(deps, row, current);
    const found = await sharedNow({ former, bound }, row, some, signal);
    if (found !== null) return isShared(deps, row, memory, found, later);
    if (!ledger.beginFormerRemoval(row.id, some, clock()))
      return later('the study has moved on meanwhile', jobMs);
    await ledger.durable();
    memory.askedAt = clock();
    await former.bulkDelete(some, { signal });
    memory.instances += some.length;
    memory.bytes += some.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
  }
  const left = await former.studyInstanceIds(studyUid, { signal });
  if (left.length === 0) memory.emptySince = clock();
  return {
    kind: 'later',
    state: 'deleting',
    reason:
      left.length === 0
        ? `deleted on ${row.backend}; looked at once more, for what may come late`
        : `${left.length} instances came to ${row.backend} meanwhile`,
    waitMs: left.length === 0 ? confirmMs : jobMs,
  };
}

/**
 * A front under a backend's name proves nothing: as the current backend it would have the former one delete what then stands on a front
 * alone; as the former one it would be told to delete what the front has not delivered. Null: neither end is one.
 */
async function oneThatIsAFront(
  { isFront }: HealOneDeps,
  { backend, target }: FormerCopy,
): Promise<string | null> {
  for (const name of [backend, target]) {
    if ((await isFront?.(name)) === true)
      return `${name} is one of the fronts, under another address: nothing is moved or deleted until the topology says another`;
  }
  return null;
}

/** The current backend, and those of the study's other copies. */
function boundTo(deps: HealOneDeps, { studyUid, backend, target }: FormerCopy, current: Orthanc): Orthanc[] {
  const names = new Set(deps.ledger.assignments(studyUid).map((assignment) => assignment.backend));
  const others = [...names].filter((name) => name !== backend && name !== target);
  return [current, ...others.map((name) => need(deps.backends, name))];
}

/** Which front may still bring something of the study to the former backend; such jobs are cancelled. Null: none. */
async function stillSending(
  { ledger, fronts, clock, log }: HealOneDeps,
  { studyUid, copy, backend, fronts: names, since }: FormerCopy,
  { former, current }: Ends,
  signal: AbortSignal,
): Promise<string | null> {
  for (const name of names) {
    const front = fronts.get(name);
    if (front === undefined) {
      if (clock() - since < frontGoneMs)
        return `${name} is not in the topology any more, and may still be sending to ${backend}`;
      continue;
    }
    const open = await front.openStores({ signal });
    const suspects = open.filter((job) => job.peer === backend || job.peer === null);
    if (suspects.length === 0) continue;
    const ids = [...new Set(suspects.flatMap((job) => job.instances))];
    const known = new Set([
      ...ledger.receiptsOf(studyUid, copy).keys(),
      ...(await former.studyInstanceIds(studyUid, { signal })),
      ...(await current.studyInstanceIds(studyUid, { signal })),
      ...(await front.describe(ids, { signal }))
        .filter((one) => one.studyUid === studyUid)
        .map((one) => one.orthancId),
    ]);
    const carried = ids.filter((id) => known.has(id));
    if (carried.length === 0) continue;
    await front.cancelStores(carried, { signal });
    log.info('job to a former backend cancelled', { study: studyUid, front: name, backend });
    return `${name} is still sending some of it to ${backend}; that has been cancelled`;
  }
  return null;
}

/** Whether a deletion may still be on its way there: not before that is over may the study be bound to the former backend again. */
function mayBeDeleting({ state }: FormerCopy, memory: Memory, clock: Clock): boolean {
  if (state !== 'deleting' && memory.askedAt === null) return false;
  memory.askedAt ??= clock();
  return clock() - memory.askedAt < deletionOverMs;
}

function isShared(
  { clock }: HealOneDeps,
  row: FormerCopy,
  memory: Memory,
  shared: Shared,
  later: (reason: string, waitMs: number | null) => Look,
): Look {
  if (!mayBeDeleting(row, memory, clock)) return { kind: 'shared', ...shared };
  return later(
    `${row.backend} and ${shared.other} are one Orthanc; what was asked before may still be under way`,
    null,
  );
}

function inConflict(
  { ledger, clock, log }: HealOneDeps,
  row: FormerCopy,
  memory: Memory,
  conflicts: readonly string[],
  later: (reason: string, waitMs: number | null) => Look,
): Look {
  const number = conflicts.length === 1 ? 'one instance' : `${conflicts.length} instances`;
  const reason = `${row.backend} has other content than ${row.target} for ${number} (${conflicts.slice(0, 3).join(', ')}); a person decides`;
  if (mayBeDeleting(row, memory, clock)) return later(reason, null);
  ledger.addEvent(row.studyUid, { at: clock(), kind: 'former-conflict', text: reason });
  log.warn('former copy in conflict', { study: row.studyUid, former: row.backend, backend: row.target });
  return { kind: 'later', state: 'conflict', reason, waitMs: 0 };
}

/** One that has left the topology is like one that does not answer: it may come back. */
function need(map: ReadonlyMap<string, Orthanc>, name: string): Orthanc {
  const orthanc = map.get(name);
  if (orthanc === undefined)
    throw new OrthancError(name, 'unreachable', `${name} is not in the topology any more`);
  return orthanc;
}
