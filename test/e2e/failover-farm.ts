import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, type FarmOptions, frontsEmpty, startFarm } from '../support/farm.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { type SyntheticInstance, type SyntheticStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

export interface StudyAnswer {
  readonly state: string;
  readonly backend: string;
  readonly epoch: number;
  readonly waiting: string | null;
  readonly instances: Readonly<
    Record<'received' | 'verified' | 'removed' | 'quarantined' | 'vanished', number>
  >;
}

export interface FailoverFarm extends AsyncDisposable {
  readonly farm: Farm;
  /** Before each backend, for the front and the service alike. */
  readonly proxies: ReadonlyMap<string, FaultProxy>;
  proxy(backend: string): FaultProxy;
  stop(): Promise<void>;
}

/** A farm in which everything happens soon. */
export async function startFailoverFarm(options: FarmOptions = {}): Promise<FailoverFarm> {
  const proxies = new Map<string, FaultProxy>();
  const farm = await startFarm({
    settle: '300 ms',
    via: async (name, url) => {
      const proxy = await startProxy({ target: Number(new URL(url).port) });
      proxies.set(name, proxy);
      return proxy.url;
    },
    ...options,
    routing: {
      policy: 'round-robin',
      rebindAfter: '2 s',
      healAfter: '2 s',
      stall: '3 s',
      requestTimeout: '4 s',
      lookupTimeout: '500 ms',
      transferTimeout: { base: '5 s', rate: '1 MB/s' },
      ...options.routing,
    },
    history: { sample: '300 ms', ...options.history },
  });
  const stop = async (): Promise<void> => {
    await farm.stop();
    for (const proxy of proxies.values()) await proxy.close();
  };
  return {
    farm,
    proxies,
    proxy(backend) {
      const found = proxies.get(backend);
      if (found === undefined) throw new Error(`the farm has no ${backend}`);
      return found;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

export const studyNow = (farm: Farm, uid: string): Promise<StudyAnswer> =>
  farm.service.get(`/api/v1/studies/${encodeURIComponent(uid)}`);

export const otherThan = (backend: string): string => (backend === 'orthanc1' ? 'orthanc2' : 'orthanc1');

export async function send(farm: Farm, instances: readonly SyntheticInstance[]): Promise<void> {
  await using dir = await tempDir('failover');
  await sendAllDicom(await writeInstances(instances, dir.path), { port: farm.front.dicomPort });
}

/** Sends it and waits until it is through; resolves with its backend. */
export async function sendThrough(farm: Farm, study: SyntheticStudy): Promise<string> {
  await send(farm, study.instances);
  await through(farm, study.studyUid);
  return (await studyNow(farm, study.studyUid)).backend;
}

export async function through(farm: Farm, uid: string, timeoutMs = 60_000): Promise<void> {
  await until(
    async () => {
      const now = await studyNow(farm, uid);
      if (now.state === 'removed') return true;
      const backends = await farm.service.get<{ items: object[] }>('/api/v1/backends');
      throw new Error(JSON.stringify({ ...now, backends: backends.items }));
    },
    { what: 'the study to be through', timeoutMs, intervalMs: 100 },
  );
}

export async function rebind(farm: Farm, uid: string, backend: string): Promise<void> {
  await post(farm, `/api/v1/studies/${uid}/rebind`, { backend });
}

export async function post(farm: Farm, path: string, body: unknown): Promise<void> {
  const answer = await farm.service.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
}

/** Former copies that are not gone yet. */
export async function formers(farm: Farm): Promise<readonly { state: string; reason: string | null }[]> {
  const { items } = await farm.service.get<{ items: { state: string; reason: string | null }[] }>(
    '/api/v1/former-copies',
  );
  return items;
}

/** Everything is where it belongs: fronts empty, and no former copies left. */
export async function atRest(farm: Farm, timeoutMs = 60_000): Promise<void> {
  await frontsEmpty(farm, timeoutMs);
  await until(
    async () => {
      const left = await formers(farm);
      if (left.length > 0) throw new Error(JSON.stringify(left));
      return true;
    },
    { what: 'all former copies to be gone', timeoutMs, intervalMs: 100 },
  );
}

export async function holdsNothing(farm: Farm, backend: string): Promise<boolean> {
  return (await countInstances(farm.backend(backend))) === 0;
}
