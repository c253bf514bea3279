import { expect, test } from 'vitest';
import { heldBack } from '../../src/admin/held.ts';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import { createCarry } from '../../src/transfer/carry.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { arrival, backendConfig, rig } from '../backends/rig.ts';

test('images of a front that has left the topology wait for it, and take no lane from the others', async () => {
  await using bench = await rig([backendConfig('orthanc1')]);
  const { ledger, pool, time } = bench;
  const frontRest = createFrontRest();
  ledger.received(arrival('1.2.3', { front: 'gone' }), time.clock());
  ledger.decide({
    studyUid: '1.2.3',
    copy: 0,
    at: time.clock(),
    policy: 'round-robin',
    kind: 'placed',
    backend: 'orthanc1',
    reason: 'for a test',
    considered: [],
  });
  const transfer = ledger.claim('orthanc1', { instances: 50, bytes: 64_000_000 }, time.clock());
  if (transfer === null) throw new Error('there was something to claim');
  const backend = createOrthanc({
    name: 'orthanc1',
    url: 'http://127.0.0.1:9',
    username: 'orthanc',
    password: 'orthanc',
    requestTimeoutMs: 1000,
  });
  const carry = createCarry({
    ledger,
    pool,
    frontRest,
    fronts: new Map(),
    backends: new Map([['orthanc1', backend]]),
    conflict: 'quarantine',
    transferTimeout: { baseMs: 1000, bytesPerSecond: 1_000_000 },
    stallMs: 1000,
    requestTimeoutMs: 1000,
    clock: time.clock,
    random: () => 0.5,
    log: silentLogger(),
    metrics: createMetrics(),
    onBackendTrouble: (name) => {
      throw new Error(`${name} has done nothing wrong`);
    },
  });
  frontRest.began('gone');
  await carry(transfer, new AbortController().signal);
  frontRest.ended('gone');

  expect(ledger.study('1.2.3')).toMatchObject({
    state: 'assigned',
    waiting: expect.stringContaining('gone'),
  });
  const resting = frontRest.resting(time.clock());
  expect([...resting]).toEqual(['gone']);
  expect(ledger.claim('orthanc1', { instances: 50, bytes: 64_000_000 }, time.clock(), resting)).toBeNull();
  backend.close();
});

test('a backend that has left the topology is said to be the reason why its studies wait', async () => {
  await using bench = await rig([backendConfig('orthanc1')]);
  bench.allUp();
  expect(heldBack(bench.pool, 'orthanc1', bench.time.clock())).toBeNull();
  expect(heldBack(bench.pool, 'orthanc2', bench.time.clock())).toBe(
    'orthanc2 is not in the topology any more',
  );
});
