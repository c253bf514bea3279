import { expect, test } from 'vitest';
import { heldBack } from '../../src/admin/held.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { backendConfig, rig } from '../backends/rig.ts';
import { carrying, claimedFor } from './carrying.ts';

test('images of a front that has left the topology wait for it, and take no lane from the others', async () => {
  await using bench = await rig([backendConfig('orthanc1')]);
  const { ledger, time } = bench;
  const frontRest = createFrontRest();
  const transfer = claimedFor(bench, { studyUid: '1.2.3', orthancId: 'instance-1' }, { front: 'gone' });
  const backend = createOrthanc({
    name: 'orthanc1',
    url: 'http://127.0.0.1:9',
    username: 'orthanc',
    password: 'orthanc',
    requestTimeoutMs: 1000,
  });
  const carry = carrying(bench, {
    frontRest,
    fronts: new Map(),
    backends: new Map([['orthanc1', backend]]),
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
