import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { policyNamed } from '../../src/decision/policies.ts';
import { silentLogger } from '../../src/log.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { createEvacuator } from '../../src/transfer/evacuate.ts';
import type { Evacuator, Healer } from '../../src/transfer/failover.ts';
import { createHealer } from '../../src/transfer/heal.ts';
import { createTwins, findTwins, type Twins } from '../../src/transfer/twins.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { type OrthancProcess, orthancAtLeast, startOrthanc } from '../support/orthanc-process.ts';
import { makeStudy, type SyntheticStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { rebindTo } from './rebind-to.ts';

/*
 * orthanc1 and orthanc2 lead to one Orthanc, as two names of a machine or a proxy before it make it; orthanc3 is another. What is deleted
 * under one of the two names is gone under the other.
 */

let two: OrthancProcess;
let third: OrthancProcess;
let bench: Rig;
let backends: Map<string, Orthanc>;
let twins: Twins;
let healer: Healer;
let evacuator: Evacuator;

const connected = (name: string, url: string): [string, Orthanc] => [
  name,
  createOrthanc({ name, url, username: 'orthanc', password: 'orthanc', requestTimeoutMs: 5000 }),
];

beforeAll(async () => {
  [two, third] = await Promise.all([startOrthanc({ name: 'TWO' }), startOrthanc({ name: 'THIRD' })]);
});
beforeEach(async () => {
  for (const on of [two, third]) await empty(on);
  bench = await rig(['orthanc1', 'orthanc2', 'orthanc3'].map((name) => backendConfig(name)));
  bench.allUp();
  backends = new Map([
    connected('orthanc1', two.url),
    connected('orthanc2', two.url.replace('127.0.0.1', 'localhost')),
    connected('orthanc3', third.url),
  ]);
  const { ledger, pool, time } = bench;
  const common = { ledger, pool, backends, clock: time.clock, log: silentLogger() };
  twins = createTwins({ backends, timeoutMs: 5000, log: common.log, timers: time });
  healer = createHealer({
    ...common,
    fronts: new Map(),
    transferTimeout: { baseMs: 5000, bytesPerSecond: 1_000_000 },
    random: () => 0.5,
    onOneOrthanc: (one, other, orthancId) => twins.found(one, other, orthancId),
  });
  evacuator = createEvacuator({
    ...common,
    policy: () => policyNamed('round-robin'),
    expected: ({ instances, bytes }) => ({ instances, bytes, arrivesIn: 0 }),
    onRebound: () => undefined,
    twinOf: (backend) => twins.twinOf(backend),
    timers: time,
  });
});
afterEach(async () => {
  await evacuator.stop();
  await healer.stop();
  await twins.stop();
  for (const orthanc of backends.values()) orthanc.close();
  await bench[Symbol.asyncDispose]();
});
afterAll(() => Promise.all([two?.stop(), third?.stop()]));

const listed = async (on: OrthancProcess, what = 'instances'): Promise<readonly string[]> => {
  const ids: unknown = await (await on.fetch(`/${what}`)).json();
  return Array.isArray(ids) ? ids.map(String).toSorted() : [];
};
const empty = async (on: OrthancProcess): Promise<void> => {
  for (const id of await listed(on, 'patients')) await on.fetch(`/patients/${id}`, { method: 'DELETE' });
};
const put = async (on: OrthancProcess, { instances }: SyntheticStudy): Promise<void> => {
  for (const { file } of instances)
    await on.fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
};
const idsOf = (...studies: readonly SyntheticStudy[]): readonly string[] =>
  studies.flatMap(({ instances }) => instances.map(({ orthancId }) => orthancId)).toSorted();

function bind({ studyUid }: SyntheticStudy, backend: string): void {
  bench.time.advance(1);
  rebindTo(bench, studyUid, backend);
}

async function heal(turns = 6): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await healer.sweep();
    bench.time.advance(10_000);
    bench.allUp();
  }
}

const shared = ({ studyUid }: SyntheticStudy): readonly string[] =>
  bench.ledger
    .events(studyUid)
    .filter(({ kind }) => kind === 'former-is-shared')
    .map(({ text }) => text);

test('a study that is bound anew from one name to the other is deleted under neither', async () => {
  const study = makeStudy({ seed: 'rebound', instances: 120 });
  await put(two, study);
  bench.ledger.adopt(study.studyUid, 'orthanc1', bench.time.clock());
  bind(study, 'orthanc2');
  await heal();
  expect(await listed(two)).toEqual(idsOf(study));
  expect(bench.ledger.formerCopies()).toEqual([]);
  expect(bench.ledger.study(study.studyUid)?.state).toBe('removed');
  expect(shared(study)).toEqual([expect.stringContaining('orthanc1 and orthanc2 are one Orthanc')]);
  expect(twins.notice()).toContain('orthanc1 and orthanc2 are one Orthanc');
  expect([twins.twinOf('orthanc1'), twins.twinOf('orthanc2'), twins.twinOf('orthanc3')]).toEqual([
    'orthanc2',
    'orthanc1',
    null,
  ]);
});

test('to another Orthanc it is moved as ever, from under both names', async () => {
  const study = makeStudy({ seed: 'moved', instances: 3 });
  await put(two, study);
  bench.ledger.adopt(study.studyUid, 'orthanc1', bench.time.clock());
  bind(study, 'orthanc2');
  await heal();
  bind(study, 'orthanc3');
  await heal();
  expect(await listed(two)).toEqual([]);
  expect(await listed(third)).toEqual(idsOf(study));
  expect(bench.ledger.formerCopies()).toEqual([]);
});

test('what one copy leaves behind is not deleted while it is the other copy', async () => {
  const study = makeStudy({ seed: 'copies', instances: 1 });
  const { studyUid, instances } = study;
  const [image] = instances;
  if (image === undefined) throw new Error('one was made');
  await put(two, study);
  await put(third, study);
  const { ledger, time } = bench;
  const prove = (backend: string): void => {
    const transfer = ledger.claim(backend, { instances: 10, bytes: 1e9 }, time.clock());
    if (transfer === null) throw new Error(`there is something for ${backend}`);
    const proven = { kind: 'proven', md5: image.md5, bytes: null } as const;
    ledger.conclude(
      transfer.id,
      { at: time.clock(), code: 'done', detail: '', bytesSent: 1, instancesSent: 1 },
      new Map(transfer.deliveries.map(({ id }) => [id, proven])),
    );
  };
  ledger.received(arrival(studyUid, { orthancId: image.orthancId }), time.clock());
  const common = { studyUid, at: time.clock(), policy: 'round-robin', kind: 'placed' } as const;
  for (const [copy, backend] of ['orthanc1', 'orthanc2'].entries()) {
    ledger.decide({ ...common, copy, backend, reason: 'for a test', considered: [] });
    prove(backend);
  }
  bind(study, 'orthanc3');
  prove('orthanc3');
  // This front is in no topology: it is waited for until it can send nothing more.
  time.advance(16 * 60_000);
  bench.allUp();
  await heal();
  expect([await listed(two), await listed(third)]).toEqual([idsOf(study), idsOf(study)]);
  expect(ledger.formerCopies()).toEqual([]);
  expect(shared(study)).toHaveLength(1);
});

test('an evacuation of one name deletes nothing, waits with the reason, and does not go round in circles', async () => {
  const studies = Array.from({ length: 3 }, (_, index) => makeStudy({ seed: `all-${index}`, instances: 2 }));
  for (const study of studies) await put(two, study);
  const { ledger, time } = bench;
  evacuator.evacuate({ backend: 'orthanc1', target: 'orthanc2', bytesPerSecond: null, who: 'a test' });
  evacuator.start();
  const turn = async (): Promise<void> => {
    time.advance(500);
    bench.allUp();
    await healer.sweep();
  };
  await until(
    async () => {
      await turn();
      const { waiting, state } = ledger.evacuation('orthanc1') ?? {};
      return state === 'done' || (waiting?.includes('are one Orthanc') ?? false);
    },
    { what: 'the evacuation to find out' },
  );
  expect(await listed(two)).toEqual(idsOf(...studies));
  const before = studies.map(({ studyUid }) => ledger.events(studyUid).length);
  for (let more = 0; more < 10; more++) await turn();
  expect(studies.map(({ studyUid }) => ledger.events(studyUid).length)).toEqual(before);
  expect(ledger.evacuation('orthanc1')).toMatchObject({ state: 'running', moved: 0 });
  expect(ledger.formerCopies()).toEqual([]);

  // The mended topology: the name leads to the other one.
  backends.get('orthanc2')?.close();
  backends.set(...connected('orthanc2', third.url));
  twins.follow();
  await until(
    async () => {
      await turn();
      return ledger.evacuation('orthanc1')?.state === 'done';
    },
    { what: 'the evacuation to end' },
  );
  expect(await listed(two)).toEqual([]);
  expect(await listed(third)).toEqual(idsOf(...studies));
});

test('names of one Orthanc are told from those of two by an image, and by a hint while there is none', async () => {
  const ask = () => findTwins(backends, { timeoutMs: 5000 });
  const hint = { one: 'orthanc1', other: 'orthanc2', sure: false };
  // Older ones do not say what database they have.
  const knowsItself = orthancAtLeast('1.12.0');
  expect(await ask()).toEqual({ twins: knowsItself ? [hint] : [], silent: false });
  const study = makeStudy({ seed: 'told', instances: 1 });
  for (const on of [two, third]) await put(on, study);
  expect(await ask()).toEqual({ twins: [{ ...hint, sure: true }], silent: false });
  expect(twins.notice()).toBeNull();
  await twins.look();
  expect(twins.notice()).toMatch(/^orthanc1 and orthanc2 are one Orthanc under two names/);
  backends.get('orthanc2')?.close();
  backends.delete('orthanc2');
  expect(twins.notice()).toBeNull();
});
