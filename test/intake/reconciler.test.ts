import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createReconciler, type Reconciler } from '../../src/intake/reconciler.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import type { Arrival } from '../../src/study.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeStudy, orthancIdOf, type SyntheticInstance, uidOf } from '../support/synthetic.ts';
import { type TempDir, tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

let orthanc: OrthancProcess;
let proxy: FaultProxy;
let front: Orthanc;
let dir: TempDir;
let ledger: Ledger;
let reconciler: Reconciler;
let told: string[];
let now = 0;

beforeAll(async () => {
  orthanc = await startOrthanc({ name: 'front' });
  proxy = await startProxy({ target: orthanc.httpPort });
  const { username, password } = orthanc;
  front = createOrthanc({ name: 'front', url: proxy.url, username, password, requestTimeoutMs: 500 });
});
afterAll(async () => {
  front?.close();
  await proxy?.close();
  await orthanc?.stop();
});

beforeEach(async () => {
  dir = await tempDir('reconciler');
  ledger = openLedger(`${dir.path}/ledger.sqlite`);
  told = [];
  now = Date.parse('2026-03-01T12:00:00Z');
  reconciler = createReconciler({
    ledger,
    fronts: new Map([['front', front]]),
    clock: () => now,
    log: silentLogger(),
    metrics: createMetrics(),
    onStudies: (studies) => told.push(...studies),
  });
});
afterEach(async () => {
  await proxy.set({ kind: 'pass' });
  await reconciler.stop();
  await ledger.close();
  await dir.remove();
  const ids: string[] = JSON.parse(await (await orthanc.fetch('/instances')).text());
  for (const id of ids) await orthanc.fetch(`/instances/${id}`, { method: 'DELETE' });
});

const lists = (): number => proxy.requests.filter((request) => request === 'GET /instances').length;

async function store(instances: readonly SyntheticInstance[]): Promise<void> {
  for (const { file } of instances) {
    const answer = await orthanc.fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
    expect(answer.status).toBe(200);
  }
}

function announced(of: Pick<SyntheticInstance, 'orthancId' | 'studyUid' | 'seriesUid' | 'sopUid'>): Arrival {
  const { orthancId, studyUid, seriesUid, sopUid } = of;
  const unknown = {
    modality: null,
    station: null,
    remoteAet: null,
    calledAet: null,
    remoteIp: null,
    transferSyntax: null,
  };
  return {
    front: 'front',
    orthancId,
    studyUid,
    seriesUid,
    sopUid,
    ...unknown,
    bytes: 1000,
    bytesExact: false,
  };
}

test('what was never announced is taken up at the first comparison, with all the front says of it', async () => {
  const study = makeStudy({ instances: 7, series: 2, modality: 'MR', station: 'MR-3' });
  await store(study.instances);
  expect(await reconciler.reconcileAll(true)).toEqual([
    { front: 'front', takenUp: 7, removed: 0, vanished: 0 },
  ]);
  expect(told).toEqual([study.studyUid]);
  expect(ledger.study(study.studyUid)).toMatchObject({
    modality: 'MR',
    station: 'MR-3',
    bytes: study.bytes,
    instances: { received: 7 },
  });
  expect(await reconciler.reconcileAll(false)).toEqual([
    { front: 'front', takenUp: 0, removed: 0, vanished: 0 },
  ]);
});

test('once it has the picture, it gives announcements that are on their way one turn of time', async () => {
  await reconciler.reconcileAll(true);
  const study = makeStudy({ instances: 2 });
  await store(study.instances);
  expect(await reconciler.reconcileAll(true)).toMatchObject([{ takenUp: 0 }]);
  const [first] = study.instances;
  if (first === undefined) throw new Error('two instances were made');
  ledger.received(announced(first), now);
  expect(await reconciler.reconcileAll(true)).toMatchObject([{ takenUp: 1 }]);
});

test('what was announced and is not there ends as vanished, said on its study, and hurts nothing', async () => {
  const [studyUid, seriesUid, sopUid] = [uidOf('ghost/1'), uidOf('ghost/2'), uidOf('ghost/3')];
  ledger.received(
    announced({ orthancId: orthancIdOf('P', studyUid, seriesUid, sopUid), studyUid, seriesUid, sopUid }),
    now,
  );
  const real = makeStudy({ instances: 3 });
  await store(real.instances);
  expect(await reconciler.reconcileAll(true)).toEqual([
    { front: 'front', takenUp: 3, removed: 0, vanished: 1 },
  ]);
  expect(ledger.study(studyUid)?.instances).toMatchObject({ received: 1, vanished: 1 });
  expect(ledger.events(studyUid)).toHaveLength(1);
  expect(ledger.queue().instances).toBe(3);
});

test('a thousand instances at once', async () => {
  const study = makeStudy({ instances: 1100, series: 3 });
  await store(study.instances);
  expect(await reconciler.reconcileAll(false)).toMatchObject([{ takenUp: 1100 }]);
  expect(ledger.standing('front').size).toBe(1100);
});

test.each([
  ['does not answer', { kind: 'refuse' }],
  ['hangs', { kind: 'stall' }],
  ['answers nonsense', { kind: 'respond', status: 200, body: '<html>' }],
  [
    'answers an empty list that breaks off',
    { kind: 'respond', status: 200, body: '[', headers: { 'Content-Length': '2' } },
  ],
  ['answers 500', { kind: 'respond', status: 500 }],
] as const)('a front that %s: nothing counts as gone, and it says so', async (_what, fault) => {
  const study = makeStudy({ instances: 3 });
  await store(study.instances);
  await reconciler.reconcileAll(true);
  await proxy.set(fault);
  expect(await reconciler.reconcileAll(true)).toEqual([]);
  expect(reconciler.frontStates()).toMatchObject([
    { front: 'front', reachable: false, reason: expect.any(String) },
  ]);
  expect(ledger.standing('front').size).toBe(3);
  await proxy.set({ kind: 'pass' });
  expect(await reconciler.reconcileAll(true)).toMatchObject([{ takenUp: 0, vanished: 0 }]);
  expect(reconciler.frontStates()).toMatchObject([{ reachable: true, reason: null }]);
});

test('a front that hung is seen to be back at the next turn of the schedule, not after minutes', async () => {
  await reconciler.reconcileAll(true);
  now += 600_000;
  await proxy.set({ kind: 'stall' });
  reconciler.start('* * * * * *');
  // From here the clock stands still: a rest that the hanging had earned the front would never end.
  await until(() => reconciler.frontStates()[0]?.reachable === false, { what: 'the front to be missed' });
  const study = makeStudy({ instances: 2 });
  await store(study.instances);
  await proxy.set({ kind: 'pass' });
  await until(() => told.includes(study.studyUid), {
    what: 'the front to be compared again',
    timeoutMs: 5000,
  });
  expect(ledger.standing('front').size).toBe(2);
});

test('comparisons of one front never overlap, and who asks meanwhile gets one that saw everything', async () => {
  const study = makeStudy({ instances: 2 });
  const before = lists();
  const running = reconciler.reconcile('front', false);
  await store(study.instances);
  await Promise.all([running, ...Array.from({ length: 5 }, () => reconciler.reconcile('front', false))]);
  expect(ledger.standing('front').size).toBe(2);
  // The one under way, at most one that began after it, and one for all who asked meanwhile.
  expect(lists() - before).toBeLessThanOrEqual(3);
});
