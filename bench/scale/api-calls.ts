import type { ServiceProcess } from '../../test/support/service-process.ts';
import { quantile } from '../support/figures.ts';

export interface CallFigure {
  readonly path: string;
  readonly p50: number;
  readonly p99: number;
  readonly kilobytes: number;
}

/** Calls that a dashboard, a script or a monitoring makes again and again. Words in braces stand for something of this ledger. */
const paths = [
  '/api/v1/studies',
  '/api/v1/studies?limit=1000',
  '/api/v1/studies?state=received',
  '/api/v1/studies?state=removed&modality=CT',
  '/api/v1/studies?backend=orthanc7',
  '/api/v1/studies?aet=NOBODY',
  '/api/v1/studies?{deep}',
  '/api/v1/studies/{study}',
  '/api/v1/studies/{study}/decisions',
  '/api/v1/studies/{study}/receipts',
  '/api/v1/studies/{waiting}/decisions',
  '/api/v1/backends',
  '/api/v1/fronts',
  '/api/v1/queue',
  '/api/v1/totals',
  '/api/v1/quarantine',
  '/api/v1/former-copies',
  '/api/v1/audit',
  '/api/v1/shadow',
  '/api/v1/history',
  '/api/v1/history?resolution=minute&limit=1000',
  '/metrics',
] as const;

/** Makes each call so many times, one after the other. @throws when one is not answered with 200 */
export async function measureCalls(service: ServiceProcess, times: number): Promise<CallFigure[]> {
  const words = await wordsOf(service);
  const figures: CallFigure[] = [];
  for (const path of paths) {
    const real = path.replace(/\{(\w+)\}/, (_whole, word: string) => words.get(word) ?? '');
    const took: number[] = [];
    let bytes = 0;
    for (let time = 0; time < times; time++) {
      const began = performance.now();
      const answer = await service.request(real);
      bytes = (await answer.arrayBuffer()).byteLength;
      took.push(performance.now() - began);
      if (!answer.ok) throw new Error(`${real}: ${answer.status}`);
    }
    figures.push({ path, p50: quantile(took, 0.5), p99: quantile(took, 0.99), kilobytes: bytes / 1000 });
  }
  return figures;
}

interface StudiesPage {
  readonly items: readonly { readonly studyInstanceUID: string }[];
  readonly next: string | null;
}

/** A study that left the front long ago, one that waits, and a page far down the list. */
async function wordsOf(service: ServiceProcess): Promise<ReadonlyMap<string, string>> {
  const first = async (filter: string): Promise<string> => {
    const { items } = await service.get<StudiesPage>(`/api/v1/studies?limit=1&${filter}`);
    const uid = items[0]?.studyInstanceUID;
    if (uid === undefined) throw new Error(`there is no study with ${filter}`);
    return uid;
  };
  let cursor: string | null = null;
  for (let page = 0; page < 3; page++) {
    const more: string = cursor === null ? '' : `&cursor=${cursor}`;
    const { next }: StudiesPage = await service.get<StudiesPage>(`/api/v1/studies?limit=1000${more}`);
    if (next === null) break;
    cursor = next;
  }
  return new Map([
    ['study', await first('state=removed&modality=CT')],
    ['waiting', await first('state=received')],
    ['deep', cursor === null ? '' : `cursor=${cursor}`],
  ]);
}
