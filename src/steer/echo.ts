import { troubleOf } from '../backends/trouble.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { PeerBook } from '../orthanc/peer-book.ts';
import { peerUrl } from '../topology/peer.ts';
import type { BackendConfig } from '../topology/topology.ts';

export interface Echoed {
  readonly ok: boolean;
  readonly detail: string;
}

/** Whether a backend is reached, from every side. */
export interface Echo {
  readonly ok: boolean;
  /** Of its answer to the service; null: there was none. */
  readonly seconds: number | null;
  /** From the service. */
  readonly rest: Echoed;
  /** From a front; null: the topology does not know its DICOM port. */
  readonly dicom: Echoed | null;
  /** From each front, as a peer. */
  readonly peer: readonly (Echoed & { readonly front: string })[];
}

export interface EchoDeps {
  readonly backends: ReadonlyMap<string, Pick<Orthanc, 'system'>>;
  readonly fronts: ReadonlyMap<string, PeerBook>;
}

/** A person waits. */
const limitMs = 5_000;

/**
 * Reaches the backend as the service, the fronts' peers and DICOM do. A front is asked to reach it only when it has just answered the
 * service: a front that waits for a peer keeps its configuration locked meanwhile.
 *
 * @returns null: there is no such backend
 */
export async function echo(deps: EchoDeps, config: BackendConfig, signal: AbortSignal): Promise<Echo | null> {
  const backend = deps.backends.get(config.name);
  if (backend === undefined) return null;
  const began = performance.now();
  const rest = await attempt(async () => {
    const { version } = await backend.system({ signal, timeoutMs: limitMs });
    return `Orthanc ${version}`;
  });
  const seconds = rest.ok ? Math.round(performance.now() - began) / 1000 : null;
  const books = [...deps.fronts.values()];
  const [peer, dicom] = await Promise.all([
    Promise.all(
      books.map(async (book) => {
        if (!rest.ok) {
          return {
            front: book.front,
            ok: false,
            detail: 'not asked: the backend does not answer the service',
          };
        }
        return { front: book.front, ...(await attempt(() => asPeer(book, config.name, signal))) };
      }),
    ),
    overDicom(books, config, signal),
  ]);
  const ok = rest.ok && peer.every((one) => one.ok) && dicom?.ok !== false;
  return { ok, seconds, rest, dicom, peer };
}

async function asPeer(book: PeerBook, name: string, signal: AbortSignal): Promise<string> {
  const { version } = await book.ask(name, { signal, timeoutMs: limitMs });
  return `Orthanc ${version}`;
}

/** From the first front that can be asked: they all have the same toolkit. */
async function overDicom(
  fronts: readonly PeerBook[],
  backend: BackendConfig,
  signal: AbortSignal,
): Promise<Echoed | null> {
  const { run } = backend;
  if (run === null) return null;
  const host = new URL(peerUrl(backend)).hostname.replace(/^\[|\]$/g, '');
  const to = { aeTitle: run.aeTitle, host, port: run.dicomPort, timeoutSeconds: limitMs / 1000 };
  let silent: Echoed = { ok: false, detail: 'no front could be asked for a C-ECHO' };
  for (const front of fronts) {
    try {
      await front.echo(to, { signal, timeoutMs: limitMs + 1_000 });
      return { ok: true, detail: `C-ECHO from ${front.front}` };
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      const detail = `${front.front}: ${error.details ?? troubleOf(error)}`;
      // It was asked, and says that the backend did not answer.
      if (error.code === 'server-error') return { ok: false, detail };
      silent = { ok: false, detail };
    }
  }
  return silent;
}

async function attempt(run: () => Promise<string>): Promise<Echoed> {
  try {
    return { ok: true, detail: await run() };
  } catch (error) {
    if (!(error instanceof OrthancError)) throw error;
    return { ok: false, detail: error.details ?? troubleOf(error) };
  }
}
