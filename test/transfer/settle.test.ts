import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { createSettler, type Settler } from '../../src/transfer/settle.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { countInstances } from '../support/farm.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeInstance, makeStudy, type SyntheticInstance } from '../support/synthetic.ts';

const settleMs = 10_000;

let front: OrthancProcess;
let backend: OrthancProcess;
let way: FaultProxy;
let clients: Orthanc[];
let bench: Rig;
let settler: Settler;
let doubted: string[];

beforeAll(async () => {
  [front, backend] = await Promise.all([startOrthanc({ name: 'front' }), startOrthanc({ name: 'orthanc1' })]);
  way = await startProxy({ target: backend.httpPort });
  const client = (name: string, url: string): Orthanc =>
    createOrthanc({ name, url, username: 'orthanc', password: 'orthanc', requestTimeoutMs: 2000 });
  clients = [client('front', front.url), client('orthanc1', way.url), client('orthanc2', backend.url)];
});
beforeEach(async () => {
  bench = await rig([backendConfig('orthanc1'), backendConfig('orthanc2')]);
  doubted = [];
  const [own, one, two] = clients;
  if (own === undefined || one === undefined || two === undefined) throw new Error('there are three');
  settler = createSettler({
    ledger: bench.ledger,
    fronts: new Map([['front', own]]),
    backends: new Map([
      ['orthanc1', one],
      ['orthanc2', two],
    ]),
    settleMs,
    onDoubt: (study) => doubted.push(study),
    clock: bench.time.clock,
    log: silentLogger(),
    metrics: createMetrics(),
  });
});
afterEach(async () => {
  await way.set({ kind: 'pass' });
  await settler.stop();
  await bench[Symbol.asyncDispose]();
});
afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await way?.close();
  await Promise.all([front?.stop(), backend?.stop()]);
});

async function put(on: OrthancProcess, instances: readonly SyntheticInstance[]): Promise<void> {
  for (const { file } of instances)
    await on.fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
}

/** On the front, and proven on this backend. */
async function proven(name: string, instances: readonly SyntheticInstance[]): Promise<void> {
  const { ledger, time } = bench;
  await put(front, instances);
  for (const { studyUid, orthancId } of instances)
    ledger.received(arrival(studyUid, { orthancId }), time.clock());
  for (const studyUid of new Set(instances.map((instance) => instance.studyUid))) {
    ledger.decide({
      studyUid,
      copy: 0,
      at: time.clock(),
      policy: 'round-robin',
      kind: 'placed',
      backend: name,
      reason: 'for a test',
      considered: [],
    });
  }
  prove(name);
}

function prove(name: string): number {
  const { ledger, time } = bench;
  const transfer = ledger.claim(name, { instances: 1000, bytes: 1e9 }, time.clock());
  ledger.conclude(
    transfer?.id ?? 0,
    { at: time.clock(), code: 'done', detail: '', bytesSent: 1, instancesSent: 1 },
    new Map(
      transfer?.deliveries.map(({ id }) => [
        id,
        { kind: 'proven', md5: '0'.repeat(32), bytes: null } as const,
      ]),
    ),
  );
  return transfer?.deliveries.length ?? 0;
}

test('what a backend does not hold any more stays on the front and is delivered again', async () => {
  const study = makeStudy({ seed: 'settle-lost', instances: 6 });
  await proven('orthanc1', study.instances);
  await put(backend, study.instances.slice(0, 4));
  bench.time.advance(settleMs);
  await settler.sweep();
  expect(doubted).toEqual([study.studyUid]);
  expect(await clients[0]?.studyInstances(study.studyUid)).toBe(6);
  expect(bench.ledger.study(study.studyUid)).toMatchObject({
    state: 'assigned',
    instances: { verified: 4, removed: 0 },
  });
  await put(backend, study.instances.slice(4));
  expect(prove('orthanc1')).toBe(2);
  await settler.sweep();
  expect(bench.ledger.study(study.studyUid)).toMatchObject({ state: 'removed', instances: { removed: 6 } });
  expect(await clients[0]?.studyInstances(study.studyUid)).toBe(0);
});

test('studies of a backend that does not answer stay, and hold up nobody else’s', async () => {
  const silent = Array.from({ length: 120 }, (_, n) =>
    makeInstance({ seed: `silent-${n}`, rows: 8, columns: 8 }),
  );
  const other = makeInstance({ seed: 'settle-other' });
  await proven('orthanc1', silent);
  bench.time.advance(1);
  await proven('orthanc2', [other]);
  await put(backend, [...silent, other]);
  await way.set({ kind: 'refuse' });
  bench.time.advance(settleMs);
  await settler.sweep();
  expect(bench.ledger.study(other.studyUid)?.state).toBe('removed');
  expect(await countInstances(front)).toBe(120);
  expect(doubted).toEqual([]);

  await way.set({ kind: 'pass' });
  bench.time.advance(60_000);
  await settler.sweep();
  expect(await countInstances(front)).toBe(0);
});

test('of a backend that hangs, too', async () => {
  const stuck = makeInstance({ seed: 'stuck' });
  const other = makeInstance({ seed: 'not-stuck' });
  await proven('orthanc1', [stuck]);
  await proven('orthanc2', [other]);
  await put(backend, [stuck, other]);
  await way.set({ kind: 'stall' });
  bench.time.advance(settleMs);
  await settler.sweep();
  expect(bench.ledger.study(other.studyUid)?.state).toBe('removed');
  expect(bench.ledger.study(stuck.studyUid)?.state).toBe('verified');
  expect(bench.ledger.study(stuck.studyUid)?.instances.removed).toBe(0);
  await way.set({ kind: 'pass' });
  bench.time.advance(60_000);
  await settler.sweep();
  expect(bench.ledger.study(stuck.studyUid)?.state).toBe('removed');
});
