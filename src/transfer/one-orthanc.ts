import { type HeldFile, type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { FormerCopy } from '../study.ts';

type Held = ReadonlyMap<string, HeldFile>;

/** Files as an Orthanc of this name says it holds them. */
export interface FilesOf {
  readonly name: string;
  readonly held: Held;
}

/**
 * Which of these are one and the same file under both names, because both lead to one Orthanc (or to one database): what is deleted under
 * one name is gone under the other, so such a file is no copy, and proves nothing.
 *
 * @throws OrthancError of one that does not say which file it holds: then nobody can know
 */
export function sharedFiles(ids: readonly string[], one: FilesOf, other: FilesOf): readonly string[] {
  return ids.filter((id) => {
    const [here, there] = [one.held.get(id), other.held.get(id)];
    if (here === undefined || there === undefined) return false;
    return uuidOf(one.name, id, here) === uuidOf(other.name, id, there);
  });
}

function uuidOf(name: string, id: string, { uuid }: HeldFile): string {
  if (uuid !== null) return uuid;
  throw new OrthancError(name, 'nonsense', `${name} does not say which file it holds of ${id}`);
}

/** A file that a former copy has under another name of its Orthanc. */
export interface Shared {
  readonly other: string;
  readonly orthancId: string;
}

/**
 * The last question before a former copy is deleted: whether some of it is the very file that a backend the study is bound to has; of any
 * of its copies, since a deletion under one name would take that one with it. Null: none is.
 *
 * @throws OrthancError when one of them does not answer
 */
export async function sharedNow(
  { former, bound }: { readonly former: Orthanc; readonly bound: readonly Orthanc[] },
  { backend }: Pick<FormerCopy, 'backend'>,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Shared | null> {
  const own = { name: backend, held: await former.held(ids, { signal }) };
  for (const orthanc of bound) {
    const other = { name: orthanc.name, held: await orthanc.held(ids, { signal }) };
    const [orthancId] = sharedFiles(ids, own, other);
    if (orthancId !== undefined) return { other: orthanc.name, orthancId };
  }
  return null;
}
