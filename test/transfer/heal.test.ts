import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import type { Healer } from '../../src/transfer/failover.ts';
import { createHealer } from '../../src/transfer/heal.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import {
  makeStudy,
  type SyntheticInstance,
  type SyntheticStudy,
  withOtherContent,
} from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { rebindTo } from './rebind-to.ts';

let processes: Record<'front' | 'orthanc1' | 'orthanc2', OrthancProcess>;
let slow: FaultProxy;
let fronts: Map<string, Orthanc>;
let backends: Map<string, Orthanc>;
let bench: Rig;
let healer: Healer;

beforeAll(async () => {
  const [orthanc1, orthanc2] = await Promise.all([
    startOrthanc({ name: 'orthanc1' }),
    startOrthanc({ name: 'orthanc2' }),
  ]);
  slow = await startProxy({ target: orthanc1.httpPort });
  const peer = { Url: slow.url, Username: 'orthanc', Password: 'orthanc', Timeout: 30 };
  const front = await startOrthanc({ name: 'front', config: { OrthancPeers: { orthanc1: peer } } });
  processes = { front, orthanc1, orthanc2 };
  const client = (name: string, { username, password }: OrthancProcess, url: string): [string, Orthanc] => [
    name,
    createOrthanc({ name, url, username, password, requestTimeoutMs: 5000 }),
  ];
  fronts = new Map([client('front', front, front.url)]);
  backends = new Map([client('orthanc1', orthanc1, slow.url), client('orthanc2', orthanc2, orthanc2.url)]);
});
beforeEach(async () => {
  bench = await rig([backendConfig('orthanc1'), backendConfig('orthanc2')]);
  bench.allUp();
  healer = createHealer({
    ledger: bench.ledger,
    pool: bench.pool,
    fronts,
    backends,
    transferTimeout: { baseMs: 5000, bytesPerSecond: 1_000_000 },
    clock: bench.time.clock,
    random: () => 0.5,
    log: silentLogger(),
  });
});
afterEach(async () => {
  await slow.set({ kind: 'pass' });
  await healer.stop();
  await bench[Symbol.asyncDispose]();
});
afterAll(async () => {
  for (const orthanc of [...(fronts?.values() ?? []), ...(backends?.values() ?? [])]) orthanc.close();
  await Promise.all(Object.values(processes ?? {}).map((process) => process.stop()));
  await slow?.close();
});

const put = async (on: keyof typeof processes, instances: readonly SyntheticInstance[]): Promise<void> => {
  for (const { file } of instances) {
    const answer = await processes[on].fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
    if (!answer.ok) throw new Error(`${on}: ${answer.status}`);
  }
};
const held = async (on: 'orthanc1' | 'orthanc2', study: SyntheticStudy): Promise<Map<string, string>> => {
  const orthanc = backends.get(on);
  const ids = (await orthanc?.studyInstanceIds(study.studyUid)) ?? [];
  const md5s = new Map<string, string>();
  for (const id of ids) md5s.set(id, (await orthanc?.md5(id)) ?? '');
  return md5s;
};
const md5sOf = (instances: readonly SyntheticInstance[]): Map<string, string> =>
  new Map(instances.map(({ orthancId, md5 }) => [orthancId, md5]));

/** Bound to orthanc1 before anything was known of it, and then to orthanc2. */
function leftBehind({ studyUid }: SyntheticStudy): void {
  const { ledger, time } = bench;
  ledger.adopt(studyUid, 'orthanc1', time.clock());
  bindTo('orthanc2', studyUid);
}

function bindTo(backend: string, studyUid: string): void {
  bench.time.advance(1);
  rebindTo(bench, studyUid, backend);
}

/** Looks again and again, time going on, until there is no former copy that could go on by itself. */
async function heal(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) {
    await healer.sweep();
    bench.time.advance(10_000);
    bench.allUp();
  }
}

const kinds = (study: SyntheticStudy): string[] =>
  bench.ledger.events(study.studyUid).map((event) => event.kind);

test('what is missing is copied, what is there already is not, and all of it is deleted where it was', async () => {
  const study = makeStudy({ seed: 'copied', instances: 130 });
  await put('orthanc1', study.instances);
  await put('orthanc2', study.instances.slice(0, 40));
  leftBehind(study);
  const before = slow.requests.length;
  await heal();
  expect(await held('orthanc1', study)).toEqual(new Map());
  expect(await held('orthanc2', study)).toEqual(md5sOf(study.instances));
  expect(slow.requests.slice(before).filter((line) => line.endsWith('/file'))).toHaveLength(90);
  expect(bench.ledger.formerCopies()).toEqual([]);
  expect(bench.ledger.study(study.studyUid)?.state).toBe('removed');
  expect(kinds(study)).toContain('former-copy-gone');
});

test('nothing is called gone before a later look, and what came late is moved too', async () => {
  const study = makeStudy({ seed: 'late', instances: 6 });
  await put('orthanc1', study.instances.slice(0, 5));
  leftBehind(study);
  // On a machine that is very busy a connection may break, which is backed off from; never long enough for a second look.
  for (let turn = 0; turn < 5 && (await held('orthanc1', study)).size > 0; turn++) {
    await healer.sweep();
    bench.time.advance(500);
  }
  expect(await held('orthanc1', study)).toEqual(new Map());
  expect(bench.ledger.formerCopies()[0]).toMatchObject({ state: 'deleting' });
  await put('orthanc1', study.instances.slice(5));
  await heal();
  expect(await held('orthanc2', study)).toEqual(md5sOf(study.instances));
  expect(await held('orthanc1', study)).toEqual(new Map());
  expect(bench.ledger.formerCopies()).toEqual([]);
});

describe('other content under the same identifier', () => {
  const study = makeStudy({ seed: 'conflict', instances: 3 });
  const [first] = study.instances;
  if (first === undefined) throw new Error('three were made');
  const changed = withOtherContent(first);

  test('of unknown origin stays, until a person has decided', async () => {
    await put('orthanc1', [changed, ...study.instances.slice(1)]);
    await put('orthanc2', [first]);
    leftBehind(study);
    await heal();
    const [former] = bench.ledger.formerCopies();
    expect(former).toMatchObject({ state: 'conflict', reason: expect.stringContaining(first.orthancId) });
    expect((await held('orthanc1', study)).get(first.orthancId)).toBe(changed.md5);
    expect(await held('orthanc2', study)).toEqual(md5sOf(study.instances));
    expect(() => healer.acceptCurrent(study.studyUid, 'orthanc2', 'a test')).toThrow(/no former copy/);

    healer.acceptCurrent(study.studyUid, 'orthanc1', 'a test');
    await heal();
    expect(bench.ledger.formerCopies()).toEqual([]);
    expect(await held('orthanc1', study)).toEqual(new Map());
    expect(await held('orthanc2', study)).toEqual(md5sOf(study.instances));
    expect(kinds(study)).toEqual(expect.arrayContaining(['former-conflict', 'former-accepted']));
    expect(bench.ledger.auditTrail({ limit: 10 }).items[0]).toMatchObject({
      who: 'a test',
      action: 'accept-current',
    });
  });

  test.each([
    ['that came through here and was never proven is damage, and goes', true],
    ['on a backend that may have had it before stays', false],
  ])('%s', async (_what, clean) => {
    const own = makeStudy({ seed: `damage-${clean}`, instances: 1 });
    const [image] = own.instances;
    if (image === undefined) throw new Error('one was made');
    const { ledger, time } = bench;
    const { orthancId, studyUid } = image;
    ledger.received(arrival(studyUid, { orthancId }), time.clock());
    ledger.decide({
      studyUid,
      copy: 0,
      at: time.clock(),
      policy: 'round-robin',
      kind: 'placed',
      backend: 'orthanc1',
      reason: 'for a test',
      clean,
      considered: [
        {
          backend: 'orthanc1',
          score: 1,
          passedOver: null,
          inputs: clean ? { held: 0 } : { lookup: 'silent' },
        },
      ],
    });
    bindTo('orthanc2', studyUid);
    const transfer = ledger.claim('orthanc2', { instances: 10, bytes: 1e9 }, time.clock());
    ledger.conclude(
      transfer?.id ?? 0,
      { at: time.clock(), code: 'done', detail: '', bytesSent: 1, instancesSent: 1 },
      new Map(
        transfer?.deliveries.map(({ id }) => [id, { kind: 'proven', md5: image.md5, bytes: null } as const]),
      ),
    );
    await put('orthanc1', [withOtherContent(image)]);
    await put('orthanc2', [image]);
    await heal();
    expect((await held('orthanc1', own)).size).toBe(clean ? 0 : 1);
    expect(await held('orthanc2', own)).toEqual(md5sOf(own.instances));
    expect(kinds(own)).toContain(clean ? 'former-damage' : 'former-conflict');
  });
});

test('a job of a front that could still bring something is cancelled and waited for', async () => {
  const study = makeStudy({ seed: 'job', instances: 4 });
  await put('front', study.instances);
  await put('orthanc2', study.instances);
  leftBehind(study);
  bench.ledger.received(arrival(study.studyUid), bench.time.clock());
  bench.ledger.absent('front', [...bench.ledger.standing('front').keys()], bench.time.clock());
  await slow.set({ kind: 'stall', only: ({ method, path }) => method === 'POST' && path === '/instances' });
  const ids = study.instances.map((instance) => instance.orthancId);
  const front = fronts.get('front');
  const sending = front?.storeToPeer('orthanc1', ids, { timeoutMs: 30_000 }).catch(() => 'failed');
  await until(async () => ((await front?.openStores()) ?? []).length > 0, { what: 'the job to run' });
  await healer.sweep();
  expect(bench.ledger.formerCopies()[0]?.reason).toMatch(/^front is still sending/);
  await slow.set({ kind: 'pass' });
  await sending;
  await until(async () => ((await front?.openStores()) ?? []).length === 0, { what: 'the job to end' });
  await heal();
  expect(bench.ledger.formerCopies()).toEqual([]);
  expect(await held('orthanc1', study)).toEqual(new Map());
});

test('a study that is bound back to where it came from is not deleted there', async () => {
  const study = makeStudy({ seed: 'back', instances: 20 });
  await put('orthanc1', study.instances);
  leftBehind(study);
  await slow.set({ kind: 'stall', only: ({ path }) => path.endsWith('/file') });
  const sweeping = healer.sweep();
  await until(() => slow.requests.some((line) => line.endsWith('/file')), { what: 'copying to begin' });
  bindTo('orthanc1', study.studyUid);
  await slow.set({ kind: 'pass' });
  await sweeping;
  await heal();
  expect(await held('orthanc1', study)).toEqual(md5sOf(study.instances));
  expect(await held('orthanc2', study)).toEqual(new Map());
  expect(bench.ledger.formerCopies()).toEqual([]);
});

test('an evacuation is no faster than it may be', async () => {
  const study = makeStudy({ seed: 'paced', instances: 8, bytes: 50_000 });
  const bytes = study.instances.reduce((sum, { file }) => sum + file.length, 0);
  await put('orthanc1', study.instances);
  bench.ledger.startEvacuation(
    { backend: 'orthanc1', target: null, bytesPerSecond: bytes },
    bench.time.clock(),
  );
  leftBehind(study);
  const began = performance.now();
  await healer.sweep();
  // The first second's bytes are free to begin with; a copy's last piece is not waited for.
  expect(performance.now() - began).toBeGreaterThan(700);
  expect(await held('orthanc2', study)).toEqual(md5sOf(study.instances));
  await heal();
  expect(bench.ledger.evacuation('orthanc1')).toMatchObject({
    moved: 1,
    movedInstances: 8,
    movedBytes: bytes,
  });
});

test('a backend that cannot be asked is waited for, with the reason, and not backed off from', async () => {
  const study = makeStudy({ seed: 'down', instances: 2 });
  await put('orthanc1', study.instances);
  leftBehind(study);
  bench.pool.setOperator('orthanc1', { state: 'maint' }, bench.time.clock());
  await healer.sweep();
  expect(bench.ledger.formerCopies()[0]).toMatchObject({
    state: 'waiting',
    reason: 'waits until orthanc1 is out of maint',
  });
  bench.pool.setOperator('orthanc1', { state: 'ready' }, bench.time.clock());
  await healer.sweep();
  expect(await held('orthanc2', study)).toEqual(md5sOf(study.instances));
});
