import type { AdminDeps } from './deps.ts';
import { explorerPage } from './present.ts';

/** How long a person who asks for a study waits at most for the link to be exact. */
const lookupMs = 1_000;

/** Links into Orthanc Explorer on the backends. */
export interface ExplorerLinks {
  /** Its front page; null when the backend has left the topology. */
  readonly page: (backend: string) => string | null;
  /** Backend → link to the study itself, or to the front page where the backend did not say in time. Never throws. */
  readonly study: (
    studyUid: string,
    backends: readonly string[],
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, string>>;
}

/**
 * Orthanc Explorer names a study by a hash over the patient's id, which the ledger does not keep; so the backend is asked
 * when a person asks. Keeping the hash was rejected: it is a fingerprint of the patient's id.
 */
export function createExplorerLinks({ backends, pool }: Pick<AdminDeps, 'backends' | 'pool'>): ExplorerLinks {
  // A list of studies asks for each of its rows, and a status is made from the ledger.
  const page = (backend: string): string | null => {
    const url = pool.publicUrl(backend);
    return url === null ? null : explorerPage(url);
  };

  async function exact(
    backend: string,
    front: string,
    studyUid: string,
    signal: AbortSignal,
  ): Promise<string> {
    const orthanc = backends?.get(backend);
    // A backend known to be silent would only cost the person the whole time limit.
    if (orthanc === undefined || pool.health(backend) === 'down') return front;
    try {
      const ids = await orthanc.studyIds(studyUid, { signal, timeoutMs: lookupMs });
      // Several patients under one StudyInstanceUID: no single page shows it all.
      return ids.length === 1 && ids[0] !== undefined
        ? `${front}#study?uuid=${encodeURIComponent(ids[0])}`
        : front;
    } catch {
      // Whatever it was: the backend's health is told elsewhere, and the front page is still a true answer.
      return front;
    }
  }

  return {
    page,
    study: async (studyUid, names, signal) => {
      const links = await Promise.all(
        [...new Set(names)].map(async (backend): Promise<[string, string] | null> => {
          const front = page(backend);
          return front === null ? null : [backend, await exact(backend, front, studyUid, signal)];
        }),
      );
      return new Map(links.filter((link) => link !== null));
    },
  };
}
