import type { Ledger, MoveProof } from '../ledger/ledger.ts';
import { type FileState, type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock, FormerCopy } from '../study.ts';
import { type FormerKnowledge, type FormerVerdict, judgeFormer, type Pair } from './former.ts';
import { sharedFiles, sharedNow } from './one-orthanc.ts';
import { type Pace, relay } from './relay.ts';

/** What is needed to bring something over. */
export interface BringOverDeps {
  readonly ledger: Pick<Ledger, 'addEvent' | 'formerProven'>;
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
  readonly clock: Clock;
  /** How fast copies from this backend may go. */
  readonly paceOf: (backend: string) => Pace | null;
}

const copiesAtOnce = 2;

export interface Ends {
  readonly former: Orthanc;
  readonly current: Orthanc;
}

/**
 * Compares some instances, copies those that are missing, and keeps the proof of all that the current backend has now. What is `shared` is
 * one file under both names: it may be deleted under neither.
 *
 * @throws OrthancError of whoever failed, LedgerError
 */
export async function bringOver(
  deps: BringOverDeps,
  row: FormerCopy,
  ends: Ends,
  ids: readonly string[],
  look: {
    readonly known: FormerKnowledge;
    readonly sizes: ReadonlyMap<string, number>;
    readonly signal: AbortSignal;
  },
): Promise<Record<'proven' | 'conflicts' | 'shared', readonly string[]>> {
  const { ledger, clock } = deps;
  const { known, sizes, signal } = look;
  const [formers, currents] = await Promise.all([
    ends.former.held(ids, { signal }),
    ends.current.held(ids, { signal }),
  ]);
  // Shown as proven where the study is now, since it is there; neither copied nor deleted.
  const shared = new Set(
    sharedFiles(ids, { name: row.backend, held: formers }, { name: row.target, held: currents }),
  );
  const pairs = ids.flatMap((orthancId): Pair[] => {
    const former = formers.get(orthancId)?.md5;
    return former === undefined ? [] : [{ orthancId, former, current: currents.get(orthancId)?.md5 ?? null }];
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
  const own = [...by('same'), ...by('damage'), ...by('accepted')].filter(
    ({ orthancId }) => !shared.has(orthancId),
  );
  const broken = await cutOff(row, ends, own, files, signal);
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
    shared: [...shared],
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
  deps: BringOverDeps,
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
  if (copied?.stored === true && arrived !== null) {
    const shared = await sharedNow({ former, bound: [current] }, row, [orthancId], signal);
    if (shared === null) await current.delete(orthancId, { signal });
  }
  const what =
    arrived === null ? 'does not hold' : arrived === md5 ? 'kept a cut-off file of' : 'has other content for';
  throw new OrthancError(
    row.target,
    'nonsense',
    `${row.target} ${what} ${orthancId} after it was copied there`,
  );
}
