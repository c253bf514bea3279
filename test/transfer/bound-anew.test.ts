import { expect, test } from 'vitest';
import { createOrthanc } from '../../src/orthanc/client.ts';
import { backendConfig, rig } from '../backends/rig.ts';
import { startOrthanc } from '../support/orthanc-process.ts';
import { startProxy } from '../support/proxy.ts';
import { makeInstance } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { carrying, claimedFor } from './carrying.ts';
import { rebindTo } from './rebind-to.ts';

test('a transfer whose study is bound anew while it begins sends nothing any more', async () => {
  await using bench = await rig([backendConfig('orthanc1'), backendConfig('orthanc2')]);
  await using backend = await startOrthanc({ name: 'orthanc1' });
  const peer = { Url: backend.url, Username: 'orthanc', Password: 'orthanc' };
  await using front = await startOrthanc({ name: 'front', config: { OrthancPeers: { orthanc1: peer } } });
  await using way = await startProxy({ target: front.httpPort });
  const { ledger, time } = bench;
  bench.allUp();
  const image = makeInstance({ seed: 'bound-anew' });
  await front.fetch('/instances', { method: 'POST', body: new Uint8Array(image.file) });
  const transfer = claimedFor(bench, image);
  const client = (name: string, url: string) =>
    createOrthanc({ name, url, username: 'orthanc', password: 'orthanc', requestTimeoutMs: 5000 });
  const clients = { front: client('front', way.url), orthanc1: client('orthanc1', backend.url) };
  const carry = carrying(bench, {
    fronts: new Map([['front', clients.front]]),
    backends: new Map([['orthanc1', clients.orthanc1]]),
  });
  await way.set({ kind: 'stall' });
  const under = carry(transfer, new AbortController().signal);
  await until(() => way.requests.length > 0, { what: 'the front to be asked' });
  rebindTo(bench, image.studyUid, 'orthanc2');
  await way.set({ kind: 'pass' });
  await under;
  expect(way.requests.filter((line) => line.endsWith('/store'))).toEqual([]);
  expect(await clients.orthanc1.md5(image.orthancId)).toBeNull();
  expect(
    ledger.claim('orthanc2', { instances: 50, bytes: 64_000_000 }, time.clock())?.deliveries,
  ).toHaveLength(1);
  for (const one of Object.values(clients)) one.close();
});
