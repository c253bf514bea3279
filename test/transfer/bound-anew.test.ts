import { expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import { createCarry } from '../../src/transfer/carry.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { arrival, backendConfig, rig } from '../backends/rig.ts';
import { startOrthanc } from '../support/orthanc-process.ts';
import { startProxy } from '../support/proxy.ts';
import { makeInstance } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';

test('a transfer whose study is bound anew while it begins sends nothing any more', async () => {
  await using bench = await rig([backendConfig('orthanc1'), backendConfig('orthanc2')]);
  await using backend = await startOrthanc({ name: 'orthanc1' });
  const peer = { Url: backend.url, Username: 'orthanc', Password: 'orthanc' };
  await using front = await startOrthanc({ name: 'front', config: { OrthancPeers: { orthanc1: peer } } });
  await using way = await startProxy({ target: front.httpPort });
  const { ledger, pool, time } = bench;
  bench.allUp();
  const image = makeInstance({ seed: 'bound-anew' });
  const { studyUid, orthancId } = image;
  await front.fetch('/instances', { method: 'POST', body: new Uint8Array(image.file) });
  ledger.received(arrival(studyUid, { orthancId }), time.clock());
  const decision = {
    studyUid,
    copy: 0,
    at: time.clock(),
    policy: 'operator',
    reason: 'for a test',
    considered: [],
  };
  ledger.decide({ ...decision, kind: 'placed', backend: 'orthanc1' });
  const transfer = ledger.claim('orthanc1', { instances: 50, bytes: 64_000_000 }, time.clock());
  if (transfer === null) throw new Error('there was something to claim');
  const client = (name: string, url: string) =>
    createOrthanc({ name, url, username: 'orthanc', password: 'orthanc', requestTimeoutMs: 5000 });
  const clients = { front: client('front', way.url), orthanc1: client('orthanc1', backend.url) };
  const carry = createCarry({
    ledger,
    pool,
    frontRest: createFrontRest(),
    fronts: new Map([['front', clients.front]]),
    backends: new Map([['orthanc1', clients.orthanc1]]),
    conflict: 'quarantine',
    transferTimeout: { baseMs: 5000, bytesPerSecond: 1_000_000 },
    stallMs: 5000,
    requestTimeoutMs: 5000,
    clock: time.clock,
    random: () => 0.5,
    log: silentLogger(),
    metrics: createMetrics(),
    onBackendTrouble: (name) => {
      throw new Error(`${name} has done nothing wrong`);
    },
  });
  await way.set({ kind: 'stall' });
  const carrying = carry(transfer, new AbortController().signal);
  await until(() => way.requests.length > 0, { what: 'the front to be asked' });
  ledger.rebind({ ...decision, kind: 'rebound', backend: 'orthanc2', expectedEpoch: 1 });
  await way.set({ kind: 'pass' });
  await carrying;
  expect(way.requests.filter((line) => line.endsWith('/store'))).toEqual([]);
  expect(await clients.orthanc1.md5(orthancId)).toBeNull();
  expect(
    ledger.claim('orthanc2', { instances: 50, bytes: 64_000_000 }, time.clock())?.deliveries,
  ).toHaveLength(1);
  for (const one of Object.values(clients)) one.close();
});
