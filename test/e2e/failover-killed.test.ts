import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { countInstances, type Farm, studiesOn } from '../support/farm.ts';
import type { Fault, FaultProxy, Only } from '../support/proxy.ts';
import { makeInstance, makeStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';
import {
  atRest,
  type FailoverFarm,
  holdsNothing,
  otherThan,
  post,
  rebind,
  send,
  sendThrough,
  startFailoverFarm,
  studyNow,
} from './failover-farm.ts';

// Enough on a machine that is busy with other tests too.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

let bench: FailoverFarm;
let farm: Farm;

beforeAll(async () => {
  bench = await startFailoverFarm();
  farm = bench.farm;
});
afterEach(async () => {
  for (const proxy of bench.proxies.values()) await proxy.set({ kind: 'pass' });
  for (const backend of farm.backends.values()) if (!backend.running) await backend.restart();
  if (!farm.service.running) await farm.service.start();
  for (const name of farm.backends.keys()) {
    await farm.service.request(`/api/v1/backends/${name}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ state: 'ready' }),
    });
  }
});
afterAll(async () => {
  await bench?.stop();
});

async function killService(): Promise<void> {
  await farm.service.kill('SIGKILL');
}

const is =
  (method: string, path: RegExp): Only =>
  (request) =>
    request.method === method && path.test(request.path);
const upload = is('POST', /^\/instances$/);
const deletion = is('POST', /^\/tools\/bulk-delete$/);
const listing = is('POST', /^\/tools\/lookup$/);

const steps: [string, 'former' | 'current', Only, (only: Only) => Fault][] = [
  ['the former copy is listed', 'former', listing, (only) => ({ kind: 'stall', only })],
  ['an image is on its way', 'current', upload, (only) => ({ kind: 'stall', only })],
  ['it is asked to delete', 'former', deletion, (only) => ({ kind: 'stall', only })],
  [
    'it has deleted, and nobody heard',
    'former',
    deletion,
    (only) => ({ kind: 'respond', status: 500, deliver: true, only }),
  ],
];

test.each(steps)(
  'the service dies while %s: the study is put together all the same',
  async (name, end, only, fault) => {
    const study = makeStudy({ seed: `step-${name}`, instances: 12 });
    const backend = await sendThrough(farm, study);
    const other = otherThan(backend);
    const proxy = bench.proxy(end === 'former' ? backend : other);
    const seen = watch(proxy, only);
    await proxy.set(fault(only));
    await rebind(farm, study.studyUid, other);
    await until(seen, { what: 'the step to be reached' });
    await killService();
    await proxy.set({ kind: 'pass' });
    await farm.service.start();
    await atRest(farm);
    const studyOn = await expectDelivered(farm, study.instances);
    expect(studyOn.get(study.studyUid)).toBe(other);
  },
);

/** Says whether such a request has come by since. */
function watch(proxy: FaultProxy, only: Only): () => boolean {
  const before = proxy.requests.length;
  return () =>
    proxy.requests.slice(before).some((line) => {
      const [method = '', path = ''] = line.split(' ', 2);
      return only({ method, path });
    });
}

test('the service dies in the middle of binding many studies anew: each is whole on one backend', async () => {
  const studies = Array.from({ length: 40 }, (_, index) =>
    makeStudy({ seed: `many-${index}`, instances: 3 }),
  );
  // Nothing arrives anywhere, so that all of them are bound and none is through.
  for (const proxy of bench.proxies.values()) await proxy.set({ kind: 'stall', only: upload });
  await send(
    farm,
    studies.flatMap((study) => study.instances),
  );
  await until(
    async () => (await farm.service.get<{ instances: number }>('/api/v1/queue')).instances === 120,
    { what: 'everything to be announced' },
  );
  await farm.backend('orthanc1').kill('SIGKILL');
  await bench.proxy('orthanc2').set({ kind: 'pass' });
  const rebound = async (): Promise<number> =>
    (await farm.service.get<{ decisions: { rebound: number } }>('/api/v1/totals')).decisions.rebound;
  const before = await rebound();
  await until(async () => (await rebound()) > before, { what: 'the first to be bound anew', intervalMs: 2 });
  await killService();
  await farm.service.start();
  await until(
    async () => {
      for (const { studyUid } of studies) {
        const now = await studyNow(farm, studyUid);
        if (now.backend !== 'orthanc2' || now.instances.verified < 3) return false;
      }
      return true;
    },
    { what: 'all to be whole on the other', timeoutMs: 40_000, intervalMs: 200 },
  );
  await bench.proxy('orthanc1').set({ kind: 'pass' });
  await farm.backend('orthanc1').restart();
  await atRest(farm);
  await expectDelivered(
    farm,
    studies.flatMap((study) => study.instances),
  );
});

test('a backend is emptied, of what never came through here too, although the service dies in the middle', async () => {
  const through = Array.from({ length: 6 }, (_, index) =>
    makeStudy({ seed: `evacuated-${index}`, instances: 5 }),
  );
  for (const study of through) await sendThrough(farm, study);
  const from = 'orthanc1';
  const strangers = Array.from({ length: 15 }, (_, index) => makeInstance({ seed: `stranger-${index}` }));
  for (const { file } of strangers) {
    await farm.backend(from).fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
  }
  const there = await studiesOn(farm.backend(from));
  expect(there.size).toBeGreaterThan(15);
  const before = await countInstances(farm.backend(from));
  const instances = before + (await countInstances(farm.backend('orthanc2')));

  await post(farm, `/api/v1/backends/${from}/evacuation`, {});
  const now = () =>
    farm.service.get<{
      state: string;
      studies: number;
      moved: number;
      movedInstances: number;
      waiting: string | null;
    }>(`/api/v1/backends/${from}/evacuation`);
  await until(async () => (await now()).moved >= 2, { what: 'some to be moved', timeoutMs: 30_000 });
  await killService();
  await farm.service.start();
  const done = await until(
    async () => {
      const state = await now();
      if (state.state !== 'done') throw new Error(JSON.stringify(state));
      return state;
    },
    { what: 'it to be done', timeoutMs: 60_000, intervalMs: 100 },
  );
  expect(done).toMatchObject({ studies: there.size, moved: there.size, waiting: null });
  expect(done.movedInstances).toBe(before);
  expect(await holdsNothing(farm, from)).toBe(true);
  expect(await countInstances(farm.backend('orthanc2'))).toBe(instances);
  await expectDelivered(farm, [...strangers, ...through.flatMap((study) => study.instances)]);
  const { state } = await farm.service.get<{ state: string }>(`/api/v1/backends/${from}`);
  expect(state).toBe('drain');
});
