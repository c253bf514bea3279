import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createStallWatch } from '../../src/transfer/stall.ts';
import { manualTime } from '../backends/rig.ts';
import { expectDelivered } from '../e2e/expect.ts';
import { countInstances, frontsEmpty } from '../support/farm.ts';
import { makeStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { stores } from './fault-case.ts';
import { startInProcess } from './in-process.ts';
import { send } from './sending.ts';

/** How the transfers ended, oldest first. */
function codes(home: string): string[] {
  const db = new Database(`${home}/ledger.sqlite`, { readonly: true });
  try {
    const rows = db.prepare('SELECT code FROM transfers WHERE ended_at IS NOT NULL ORDER BY id').all();
    return z
      .array(z.object({ code: z.string() }))
      .parse(rows)
      .map((row) => row.code);
  } finally {
    db.close();
  }
}

const patient = {
  stall: '1 s',
  requestTimeout: '10 s',
  transferTimeout: { base: '60 s', rate: '1 MB/s' },
  rebindAfter: 'none',
  healAfter: 'none',
};

test('a transfer in which nothing moves is given up long before its time limit, and frees its lane', async () => {
  await using one = await startInProcess({ backends: 1, routing: patient, history: { sample: '1 s' } });
  const { farm, service } = one;
  const study = makeStudy({ seed: 'stall', instances: 20 });
  await one.proxy('orthanc1').set({ kind: 'stall', only: stores });
  await send(farm, study.instances);
  await until(() => service.pool.status('orthanc1')?.breaker !== 'closed', { what: 'the breaker to open' });
  expect(codes(farm.home)).toContain('stalled');
  expect(service.pool.status('orthanc1')).toMatchObject({ health: 'up' });
  const out = service.pool.outSince('orthanc1');
  expect(out?.reason).toContain('nothing moved');
  await until(() => (service.pool.status('orthanc1')?.busyLanes ?? 1) === 0, {
    what: 'its lanes to be free',
    timeoutMs: 10_000,
  });
  expect(await countInstances(farm.front)).toBe(20);

  await one.proxy('orthanc1').set({ kind: 'pass' });
  await frontsEmpty(farm);
  await expectDelivered(farm, study.instances);
  expect(service.pool.outSince('orthanc1')).toBeNull();
});

test('a slow line is no stall: what moves is waited for', async () => {
  await using one = await startInProcess({ backends: 1, routing: patient, history: { sample: '10 s' } });
  const { farm } = one;
  const study = makeStudy({ seed: 'slow', instances: 16, bytes: 60_000 });
  await one.proxy('orthanc1').set({ kind: 'throttle', bytesPerSecond: 250_000 });
  await send(farm, study.instances);
  await frontsEmpty(farm);
  await expectDelivered(farm, study.instances);
  expect(new Set(codes(farm.home))).toEqual(new Set(['done']));
});

test('a backend that hangs is down by its polls, and that ends what is under way to it', async () => {
  await using one = await startInProcess({
    backends: 1,
    routing: { ...patient, stall: '60 s' },
    history: { sample: '300 ms' },
  });
  const { farm, service } = one;
  const study = makeStudy({ seed: 'hangs', instances: 20 });
  await one.proxy('orthanc1').set({ kind: 'stall', only: stores });
  await send(farm, study.instances);
  await until(() => (service.pool.status('orthanc1')?.busyLanes ?? 0) > 0, { what: 'a transfer' });
  await one.proxy('orthanc1').set({ kind: 'stall' });
  await until(() => service.pool.health('orthanc1') === 'down', { what: 'its polls to say so' });
  await until(() => service.pool.status('orthanc1')?.busyLanes === 0, {
    what: 'its lanes to be free',
    timeoutMs: 5_000,
  });
  expect(new Set(codes(farm.home))).toEqual(new Set(['backend-unreachable']));
  await one.proxy('orthanc1').set({ kind: 'pass' });
  await frontsEmpty(farm);
  await expectDelivered(farm, study.instances);
});

type Open = Awaited<
  ReturnType<Parameters<ReturnType<typeof createStallWatch>['watch']>[0]['front']['openStores']>
>;

test.each([
  ['stands still', (look: number): Open => [job(look > 1 ? 40 : 20)], 1],
  ['moves', (look: number): Open => [job(look)], 0],
  ['waits for a thread of the front', (): Open => [{ ...job(0), running: false }], 0],
  ['is not listed', (): Open => [], 0],
  ['goes to another', (): Open => [{ ...job(0), peer: 'b' }], 0],
  ['has another chunk', (): Open => [{ ...job(0), instances: ['1'] }], 0],
  ['stands still, as far as it can be seen', (look: number): Open => (look % 3 === 0 ? [] : [job(0)]), 0],
])('a job that %s', async (_what, openStores, stalls) => {
  const time = manualTime();
  const watch = createStallWatch(1_000, time);
  let looks = 0;
  let stalled = 0;
  const front = { name: 'front', openStores: async () => openStores(looks++) };
  const stop = watch.watch({ front, peer: 'a', ids: ['1', '2'], limitMs: 1_500 }, () => stalled++);
  for (let turn = 0; turn < 40; turn++) {
    time.advance(200);
    await new Promise(setImmediate);
  }
  expect(stalled).toBe(stalls);
  stop();
  time.advance(200);
  await new Promise(setImmediate);
  expect(time.waiting).toBe(0);
});

test('a job that moves is said to, with its share, and only while it is watched', async () => {
  const time = manualTime();
  const watch = createStallWatch(1_000, time);
  const progress = [0, 20, 20, 10, 60, 60, 90];
  const front = { name: 'front', openStores: async () => [job(progress.shift() ?? 100)] };
  const shares: number[] = [];
  const stop = watch.watch(
    { front, peer: 'a', ids: ['1', '2'], limitMs: 60_000 },
    () => undefined,
    (share) => shares.push(share),
  );
  const look = async (): Promise<void> => {
    time.advance(200);
    await new Promise(setImmediate);
  };
  while (progress.length > 0) await look();
  expect(shares).toEqual([0.2, 0.6, 0.9]);
  stop();
  await look();
  expect(shares).toHaveLength(3);
});

function job(progress: number): Open[number] {
  return { id: 'job', peer: 'a', instances: ['2', '1'], progress, running: true };
}
