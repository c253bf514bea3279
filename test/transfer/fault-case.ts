import { expect } from 'vitest';
import { expectDelivered } from '../e2e/expect.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { type Fault, type FaultProxy, type Only, startProxy } from '../support/proxy.ts';
import { makeStudy, type SyntheticStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

export interface FaultyFarm extends AsyncDisposable {
  readonly farm: Farm;
  /** Before orthanc1, for the front and the service alike. orthanc2 is reached directly. */
  readonly proxy: FaultProxy;
}

export async function startFaultyFarm(): Promise<FaultyFarm> {
  const proxies: FaultProxy[] = [];
  const farm = await startFarm({
    settle: '300 ms',
    routing: {
      policy: 'round-robin',
      requestTimeout: '1 s',
      lookupTimeout: '1 s',
      transferTimeout: { base: '1 s', rate: '1 MB/s' },
    },
    history: { sample: '300 ms' },
    via: async (name, url) => {
      if (name !== 'orthanc1') return url;
      const proxy = await startProxy({ target: Number(new URL(url).port) });
      proxies.push(proxy);
      return proxy.url;
    },
  });
  const stop = async (): Promise<void> => {
    await farm.stop();
    for (const proxy of proxies) await proxy.close();
  };
  const [proxy] = proxies;
  if (proxy === undefined) {
    await stop();
    throw new Error('the farm asked for no way to orthanc1');
  }
  return { farm, proxy, [Symbol.asyncDispose]: stop };
}

/** The front's stores; what the service asks passes. */
export const stores: Only = ({ method, path }) => method === 'POST' && path === '/instances';

interface StudyNow {
  readonly state: string;
  readonly waiting: string | null;
  readonly backend: string | null;
}

/**
 * Studies are bound to both backends while all is well; then orthanc1 fails, and the rest of each study arrives. Those
 * of orthanc2 go on, those of orthanc1 say why they wait; once the fault is over everything is delivered, once, and the front
 * is empty. Answers the reasons that were seen.
 */
export async function throughFault(
  { farm, proxy }: FaultyFarm,
  name: string,
  fault: Fault,
): Promise<Set<string>> {
  await using dir = await tempDir();
  const send = async (study: SyntheticStudy, from: number, to: number): Promise<void> => {
    const files = await writeInstances(
      study.instances.slice(from, to),
      `${dir.path}/${study.studyUid}/${from}`,
    );
    await sendAllDicom(files, { port: farm.front.dicomPort });
  };
  const now = (study: SyntheticStudy): Promise<StudyNow> =>
    farm.service.get(`/api/v1/studies/${study.studyUid}`);
  const studies = Array.from({ length: 4 }, (_, index) =>
    makeStudy({ seed: `${name}-${index}`, instances: 8 }),
  );
  for (const study of studies) await send(study, 0, 1);
  await frontsEmpty(farm);
  const bound = new Map<SyntheticStudy, string | null>();
  for (const study of studies) bound.set(study, (await now(study)).backend);
  const of = (backend: string) => studies.filter((study) => bound.get(study) === backend);
  expect(of('orthanc1').length, 'studies on the backend that is to fail').toBeGreaterThan(0);
  expect(of('orthanc2').length, 'studies on the other').toBeGreaterThan(0);

  const reasons = new Set<string>();
  await proxy.set(fault);
  try {
    await Promise.all(studies.map((study) => send(study, 1, 8)));
    await until(
      async () => {
        for (const study of of('orthanc2')) if ((await now(study)).state !== 'removed') return false;
        return true;
      },
      { what: 'the studies of the healthy backend to be through' },
    );
    await until(
      async () => {
        for (const study of of('orthanc1')) {
          const { state, waiting } = await now(study);
          expect(['assigned', 'sending', 'received']).toContain(state);
          if (waiting === null) return false;
          reasons.add(waiting);
        }
        return true;
      },
      { what: `the others to say why they wait` },
    );
  } finally {
    await proxy.set({ kind: 'pass' });
  }
  await frontsEmpty(farm, 30_000);
  const studyOn = await expectDelivered(
    farm,
    studies.flatMap((study) => study.instances),
  );
  for (const [study, backend] of bound) expect(studyOn.get(study.studyUid)).toBe(backend);
  return reasons;
}
