import type { StudyFilter, StudyView } from '../ledger/ledger.ts';
import { OrthancError } from '../orthanc/orthanc.ts';
import type { AdminDeps } from './deps.ts';
import { Problem } from './problems.ts';

export interface FoundStudies {
  /** Those that came through here, newest news first. */
  readonly studies: readonly StudyView[];
  /** Backends that did not answer: there may be more on them. */
  readonly unanswered: readonly string[];
}

/** How long a person who looks for a number waits at most for the slowest backend. */
const askMs = 3_000;

/**
 * Looks studies up by their accession number. The number is asked of the backends each time and forgotten: an accession number leads
 * to a patient, and so stands neither in the ledger nor in a log.
 */
export function createAccessionSearch({
  ledger,
  pool,
  backends,
  topology,
  log,
}: Pick<AdminDeps, 'ledger' | 'pool' | 'backends' | 'topology' | 'log'>) {
  async function ask(
    name: string,
    accession: string,
    signal: AbortSignal,
  ): Promise<readonly string[] | null> {
    const orthanc = backends?.get(name);
    if (orthanc === undefined || pool.health(name) === 'down') return null;
    try {
      return await orthanc.studiesOfAccession(accession, { signal, timeoutMs: askMs });
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      // The code alone: what an Orthanc says of a question may repeat it.
      log.warn('a backend did not answer a search', { backend: name, code: error.code });
      return null;
    }
  }

  /** @throws Problem 403 where the topology does not allow it */
  return async (accession: string, filter: StudyFilter, signal: AbortSignal): Promise<FoundStudies> => {
    if (topology.service.accessionSearch !== true) {
      throw new Problem(
        403,
        'accession-search-off',
        'Studies may not be looked for by accession number here',
        'Set `accessionSearch: true` below `service` in the topology, and start the service anew.',
      );
    }
    const answers = await Promise.all(
      pool.names().map(async (name) => ({ name, uids: await ask(name, accession, signal) })),
    );
    const uids = new Set(answers.flatMap((answer) => answer.uids ?? []));
    return {
      studies: [...uids]
        .map((uid) => ledger.study(uid))
        .filter((study) => study !== null && isAmong(study, filter))
        .toSorted((a, b) => b.lastNewsAt - a.lastNewsAt),
      unanswered: answers.filter((answer) => answer.uids === null).map(({ name }) => name),
    };
  };
}

/** As the ledger's own filter has it. */
function isAmong(study: StudyView, filter: StudyFilter): study is StudyView {
  const { uid, backend, state, modality, station, aet, since, until } = filter;
  return (
    (uid === undefined || study.studyUid.startsWith(uid)) &&
    (backend === undefined || study.assignments.some((assignment) => assignment.backend === backend)) &&
    (state === undefined || study.state === state) &&
    (modality === undefined || study.modality === modality) &&
    (station === undefined || study.station === station) &&
    (aet === undefined || study.remoteAet === aet || study.calledAet === aet) &&
    (since === undefined || study.lastNewsAt >= since) &&
    (until === undefined || study.lastNewsAt < until)
  );
}
