import { setImmediate } from 'node:timers/promises';
import type { Ledger, MoveProof } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import { type FileState, type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock, EpochMs, FormerCopy } from '../study.ts';
import { type FormerKnowledge, type FormerVerdict, judgeFormer, knowledgeOf, type Pair } from './former.ts';
import { type Pace, relay } from './relay.ts';

export interface HealOneDeps {
  readonly ledger: Ledger;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly backends: ReadonlyMap<string, Orthanc>;
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether a backend is one of the fronts in truth, under another address. Absent: none is. */
  readonly isFront?: (backend: string) => Promise<boolean>;
  /** How fast copies from this backend may go. */
  readonly paceOf: (backend: string) => Pace | null;
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
const copiesAtOnce = 2;
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
 * there is proven, with the same content, on the current backend; that is committed and on disk; the current backend still
 * lists it; only then is the former one asked to delete. It is gone only when a later look shows nothing either, since
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
  for (let from = 0; from < there.length; from += comparedAtOnce) {
    const some = await bringOver(deps, row, { former, current }, there.slice(from, from + comparedAtOnce), {
      known,
      sizes,
      signal,
    });
    proven.push(...some.proven);
    conflicts.push(...some.conflicts);
    await setImmediate();
  }
  if (conflicts.length > 0) return inConflict(deps, row, memory, conflicts, later);

  const listed = new Set(await current.studyInstanceIds(studyUid, { signal }));
  if (proven.some((id) => !listed.has(id)))
    return later(`${row.target} does not list any more what it had of the study a moment ago`, null);
  for (let from = 0; from < proven.length; from += deletedAtOnce) {
    const some = proven.slice(from, from + deletedAtOnce);
    const since = await oneThatIsAFront(deps, row);
    if (since !== null) return later(since, frontAgainMs);
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

interface Ends {
  readonly former: Orthanc;
  readonly current: Orthanc;
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

/** Compares some instances, copies those that are missing, and keeps the proof of all that may be deleted. */
async function bringOver(
  deps: HealOneDeps,
  row: FormerCopy,
  ends: Ends,
  ids: readonly string[],
  look: {
    readonly known: FormerKnowledge;
    readonly sizes: ReadonlyMap<string, number>;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly proven: readonly string[]; readonly conflicts: readonly string[] }> {
  const { ledger, clock } = deps;
  const { known, sizes, signal } = look;
  const [formerMd5s, currentMd5s] = await Promise.all([
    ends.former.md5s(ids, { signal }),
    ends.current.md5s(ids, { signal }),
  ]);
  const pairs = ids.flatMap((orthancId): Pair[] => {
    const former = formerMd5s.get(orthancId) ?? null;
    return former === null ? [] : [{ orthancId, former, current: currentMd5s.get(orthancId) ?? null }];
  });
  const verdicts = new Map<Pair, FormerVerdict['kind']>();
  for (const pair of pairs) {
    const { kind } = judgeFormer(pair, known);
    // Peers send by REST: what came in another way is nobody's damage. What is gone by now is looked at no more.
    const by = kind === 'damage' ? await ends.former.receivedBy(pair.orthancId, { signal }) : 'RestApi';
    if (by !== null) verdicts.set(pair, by === 'RestApi' ? kind : 'conflict');
  }
  const by = (kind: FormerVerdict['kind']): Pair[] => pairs.filter((pair) => verdicts.get(pair) === kind);
  const standing = [...by('same'), ...by('damage'), ...by('accepted')].map((pair) => pair.orthancId);
  const files = await ends.current.verify(standing, { signal });
  const isWhole = ({ orthancId }: Pair): boolean => files.get(orthancId) === 'intact';

  const proofs: MoveProof[] = [];
  const note = (orthancId: string, md5: string): void => {
    proofs.push({ orthancId, md5, bytes: sizes.get(orthancId) ?? 0 });
  };
  for (const { orthancId, former } of by('same').filter(isWhole)) note(orthancId, former);
  for (const kind of ['damage', 'accepted'] as const) {
    for (const { orthancId, former, current } of by(kind).filter(isWhole)) {
      // Written before it is deleted, so that a crash in between can only say it twice.
      const why = kind === 'damage' ? 'came through here and was never proven there' : 'a person decided so';
      ledger.addEvent(row.studyUid, {
        at: clock(),
        kind: `former-${kind}`,
        text: `${orthancId}: ${row.backend} has other content (MD5 ${former}) than ${row.target} (MD5 ${current}), which stands: ${why}`,
      });
      note(orthancId, current ?? former);
    }
  }
  const broken = await cutOff(row, ends, [...by('same'), ...by('damage'), ...by('accepted')], files, signal);
  const missing = [...by('missing'), ...broken].values();
  let failed = false;
  const copier = async (): Promise<void> => {
    for (const { orthancId, former } of missing) {
      if (failed) return;
      try {
        await copyProven(
          deps,
          row,
          ends,
          { orthancId, md5: former, bytes: sizes.get(orthancId) ?? 0 },
          signal,
        );
        note(orthancId, former);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const copiers = await Promise.allSettled(Array.from({ length: copiesAtOnce }, copier));
  // Kept also when one failed: what was copied is not copied again.
  if (proofs.length > 0) ledger.formerProven(row.id, proofs, clock());
  for (const ended of copiers) if (ended.status === 'rejected') throw ended.reason;
  return {
    proven: proofs.map((proof) => proof.orthancId),
    conflicts: by('conflict').map((pair) => pair.orthancId),
  };
}

/**
 * What the current backend has recorded and cannot read from its disk, as a full one leaves it. Where the former one still has the
 * same content, it is deleted on the current one, to be copied again; it is on the former one all the while.
 *
 * @throws OrthancError when there is nothing whole to copy from, and then nothing was deleted
 */
async function cutOff(
  row: FormerCopy,
  { former, current }: Ends,
  pairs: readonly Pair[],
  files: ReadonlyMap<string, FileState>,
  signal: AbortSignal,
): Promise<readonly Pair[]> {
  const broken = pairs.filter(({ orthancId }) => files.get(orthancId) !== 'intact');
  if (broken.length === 0) return [];
  const ids = broken.map((pair) => pair.orthancId);
  const there = await former.verify(ids, { signal });
  const lost = broken.filter(
    (pair) => pair.former !== pair.current || there.get(pair.orthancId) !== 'intact',
  );
  if (lost.length > 0) {
    const what = `${row.target} cannot read ${lost[0]?.orthancId} from its disk`;
    throw new OrthancError(
      row.target,
      'nonsense',
      `${what}, and ${row.backend} has no whole file of the same`,
    );
  }
  for (const id of ids) if (files.get(id) === 'damaged') await current.delete(id, { signal });
  return broken;
}

/** @throws OrthancError, also when the other end does not have it with this content afterwards */
async function copyProven(
  deps: HealOneDeps,
  row: FormerCopy,
  { former, current }: Ends,
  { orthancId, md5, bytes }: MoveProof,
  signal: AbortSignal,
): Promise<void> {
  const request = { from: former, to: current, id: orthancId, bytes, pace: deps.paceOf(row.backend), signal };
  const copied = await relay(request, deps);
  const arrived = await current.md5(orthancId, { signal });
  const file = (await current.verify([orthancId], { signal })).get(orthancId);
  if (copied !== null && arrived === md5 && file === 'intact') return;
  // Only what this copy has just put there, never what was there already.
  if (copied?.stored === true && arrived !== null) await current.delete(orthancId, { signal });
  const what =
    arrived === null ? 'does not hold' : arrived === md5 ? 'kept a cut-off file of' : 'has other content for';
  throw new OrthancError(
    row.target,
    'nonsense',
    `${row.target} ${what} ${orthancId} after it was copied there`,
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
  // In this state the study may be bound to the former backend again: not while a deletion may still be on its way there.
  const mayBeDeleting = row.state === 'deleting' && clock() - (memory.askedAt ??= clock()) < deletionOverMs;
  if (mayBeDeleting) return later(reason, null);
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
