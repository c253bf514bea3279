import { afterEach, beforeEach, expect, test } from 'vitest';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import type { Transfer } from '../../src/study.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { createLanes, type Lanes } from '../../src/transfer/lanes.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { until } from '../support/wait.ts';

let bench: Rig;
let lanes: Lanes | null = null;
beforeEach(async () => {
  bench = await rig([backendConfig('orthanc1')]);
});
afterEach(async () => {
  await lanes?.stop(0);
  await bench[Symbol.asyncDispose]();
});

test('a transfer whose end the ledger could not take goes back into the queue, and asks the backend first', async () => {
  const { ledger, pool, time } = bench;
  const carried: Transfer[] = [];
  let failures = 2;
  lanes = createLanes({
    // The real ledger, on a disk that is full for a while.
    ledger: {
      ...ledger,
      conclude: (...args) => {
        if (failures-- > 0) throw new LedgerError('full', 'no space left');
        ledger.conclude(...args);
      },
    },
    pool,
    frontRest: createFrontRest(),
    limits: { instances: 50, bytes: 64_000_000 },
    carry: async (transfer) => {
      carried.push(transfer);
      if (carried.length === 1) throw new LedgerError('full', 'no space left');
      const proven = { kind: 'proven', md5: '0'.repeat(32), bytes: null } as const;
      const outcomes = new Map(transfer.deliveries.map(({ id }) => [id, proven]));
      const end = { at: time.clock(), code: 'done', detail: '', bytesSent: 1, instancesSent: 1 };
      ledger.conclude(transfer.id, end, outcomes);
    },
    clock: time.clock,
    log: silentLogger(),
  });
  ledger.received(arrival('1.2.3'), time.clock());
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
  pool.observed('orthanc1', { at: time.clock(), up: true, reason: null, latencyMs: 1 });
  lanes.wakeAll();
  await until(() => ledger.study('1.2.3')?.instances.verified === 1, { what: 'it to be proven' });
  expect(carried).toHaveLength(2);
  expect(carried[1]?.deliveries[0]).toMatchObject({ askFirst: true });
  expect(ledger.queue().instances).toBe(0);
});
