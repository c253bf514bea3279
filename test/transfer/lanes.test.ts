import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { silentLogger } from '../../src/log.ts';
import { type Service, startService } from '../../src/service.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { orthancAtLeast } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeStudy, orthancIdOf, type SyntheticStudy, uidOf, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';

let farm: Farm;
let service: Service;
let small: SyntheticStudy;
let large: SyntheticStudy;
let beforeFront: FaultProxy;
let beforeBackend: FaultProxy;
const megabyte = 1_000_000;

/** Everything stands on the front before the service starts: so there is something to make chunks of. */
beforeAll(async () => {
  const proxies: FaultProxy[] = [];
  farm = await startFarm({
    backends: 1,
    settle: '200 ms',
    startService: false,
    routing: { batch: { instances: 20, size: '1 MB' } },
    via: async (_name, url) => {
      const proxy = await startProxy({ target: Number(new URL(url).port) });
      proxies.push(proxy);
      return proxy.url;
    },
  });
  beforeFront = await startProxy({ target: farm.front.httpPort });
  const [proxy] = proxies;
  if (proxy === undefined) throw new Error('the farm asked for no way to its backend');
  beforeBackend = proxy;
  small = makeStudy({ seed: 'small', instances: 200 });
  large = makeStudy({ seed: 'large', instances: 10, bytes: 300_000 });
  await using dir = await tempDir();
  await sendAllDicom(await writeInstances([...small.instances, ...large.instances], dir.path), {
    port: farm.front.dicomPort,
    associations: 4,
  });
  service = await startService({
    topology: {
      ...farm.topology,
      fronts: farm.topology.fronts.map((front) => ({ ...front, url: beforeFront.url })),
    },
    home: farm.home,
    adminToken: farm.service.token,
    hookToken: 'hook-token-of-this-test-farm',
    version: 'test',
    log: silentLogger(),
    onDurabilityLost: (error) => {
      throw error;
    },
  });
  await frontsEmpty(farm);
});

afterAll(async () => {
  await service?.stop(0);
  await farm?.stop();
  await beforeFront?.close();
  await beforeBackend?.close();
});

interface Row {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly instances: number;
  readonly bytes: number;
  readonly code: string;
}

function transfers(): readonly Row[] {
  const db = new Database(`${farm.home}/ledger.sqlite`, { readonly: true });
  try {
    const rows = db
      .prepare('SELECT started_at AS startedAt, ended_at AS endedAt, instances, bytes, code FROM transfers')
      .all();
    return z
      .array(
        z.object({
          startedAt: z.number(),
          endedAt: z.number(),
          instances: z.number(),
          bytes: z.number(),
          code: z.string(),
        }),
      )
      .parse(rows);
  } finally {
    db.close();
  }
}

test('no transfer is larger than the batch limits, and each instance is sent once', () => {
  const all = transfers();
  expect(all.map((one) => one.code)).toEqual(all.map(() => 'done'));
  expect(Math.max(...all.map((one) => one.instances))).toBe(20);
  expect(all.reduce((sum, one) => sum + one.instances, 0)).toBe(210);
  for (const one of all) expect(one.bytes).toBeLessThanOrEqual(megabyte);
  expect(beforeBackend.requests.filter((request) => request === 'POST /instances')).toHaveLength(210);
});

test('no more transfers than lanes are under way at a time, and the lanes are used', () => {
  const all = transfers();
  const under = all.map(
    ({ startedAt }) =>
      all.filter((other) => other.startedAt <= startedAt && startedAt < other.endedAt).length,
  );
  const lanes = farm.topology.backends[0]?.lanes ?? 0;
  expect(Math.max(...under)).toBeLessThanOrEqual(lanes);
  expect(Math.max(...under)).toBeGreaterThan(1);
});

test('connections are used again and again, by the service and by the front', () => {
  // Where a front says in one answer what it holds of a transfer, there are fewer questions to it.
  const many = { front: orthancAtLeast('1.12.7') ? 40 : 200, backend: 200 };
  expect(beforeFront.requests.length).toBeGreaterThan(many.front);
  expect(beforeBackend.requests.length).toBeGreaterThan(many.backend);
  for (const proxy of [beforeFront, beforeBackend]) {
    expect(proxy.connections).toBeLessThan(proxy.requests.length / 5);
  }
});

test('the hook is answered while the front answers nothing', async () => {
  await beforeFront.set({ kind: 'stall' });
  try {
    const [study, series, sop] = [uidOf('hook/study'), uidOf('hook/series'), uidOf('hook/sop')];
    const instance = orthancIdOf('P', study, series, sop);
    const started = performance.now();
    const answer = await fetch(`${farm.service.url}/hook/stored`, {
      method: 'POST',
      headers: { authorization: 'Bearer hook-token-of-this-test-farm', 'content-type': 'application/json' },
      body: JSON.stringify({ front: 'front', instance, study, series, sop }),
    });
    expect(await answer.json()).toMatchObject({ received: instance });
    expect(performance.now() - started).toBeLessThan(1000);
  } finally {
    await beforeFront.set({ kind: 'pass' });
  }
});
