import { afterEach, beforeEach, expect, test } from 'vitest';
import { LedgerError, type NewDecision } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Transfer } from '../../src/study.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { createLanes, type Lanes } from '../../src/transfer/lanes.ts';
import { createSettler } from '../../src/transfer/settle.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { startOrthanc } from '../support/orthanc-process.ts';
import { makeInstance } from '../support/synthetic.ts';
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
    gatherMs: 0,
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
  ledger.decide(placedOn('orthanc1', '1.2.3'));
  pool.observed('orthanc1', { at: time.clock(), up: true, reason: null, latencyMs: 1 });
  lanes.wakeAll();
  await until(() => ledger.study('1.2.3')?.instances.verified === 1, { what: 'it to be proven' });
  expect(carried).toHaveLength(2);
  expect(carried[1]?.deliveries[0]).toMatchObject({ askFirst: true });
  expect(ledger.queue().instances).toBe(0);
});

test('a removal whose end the ledger could not take is written at the next sweep', async () => {
  const { ledger, time } = bench;
  await using front = await startOrthanc({ name: 'front' });
  const image = makeInstance({ seed: 'removal' });
  await front.fetch('/instances', { method: 'POST', body: new Uint8Array(image.file) });
  ledger.received(arrival(image.studyUid, { orthancId: image.orthancId }), time.clock());
  ledger.decide(placedOn('orthanc1', image.studyUid));
  const transfer = ledger.claim('orthanc1', { instances: 50, bytes: 64_000_000 }, time.clock());
  const outcomes = new Map(
    transfer?.deliveries.map(({ id }) => [id, { kind: 'proven', md5: image.md5, bytes: null } as const]),
  );
  const end = { at: time.clock(), code: 'done', detail: '', bytesSent: 1, instancesSent: 1 };
  ledger.conclude(transfer?.id ?? 0, end, outcomes);

  let failures = 1;
  const orthanc = createOrthanc({ ...front, requestTimeoutMs: 5000 });
  const settler = createSettler({
    ledger: {
      ...ledger,
      removed: (...args) => {
        if (failures-- > 0) throw new LedgerError('full', 'no space left');
        ledger.removed(...args);
      },
    },
    fronts: new Map([['front', orthanc]]),
    backends: new Map([
      [
        'orthanc1',
        {
          studyInstanceIds: () => Promise.resolve([image.orthancId]),
          sizes: () => Promise.resolve(new Map([[image.orthancId, 1]])),
        },
      ],
    ]),
    onDoubt: (study) => {
      throw new Error(`${study}: nothing was lost`);
    },
    settleMs: 0,
    clock: () => time.clock() + 1,
    log: silentLogger(),
    metrics: createMetrics(),
  });
  try {
    await settler.sweep();
    expect(await (await front.fetch('/instances')).json()).toEqual([]);
    expect(ledger.study(image.studyUid)?.instances.removed).toBe(0);
    await settler.sweep();
    expect(ledger.study(image.studyUid)).toMatchObject({ state: 'removed', instances: { removed: 1 } });
  } finally {
    await settler.stop();
    orthanc.close();
  }
});

function placedOn(backend: string, studyUid: string): NewDecision {
  const at = bench.time.clock();
  return {
    studyUid,
    copy: 0,
    at,
    policy: 'round-robin',
    kind: 'placed',
    backend,
    reason: 'for a test',
    considered: [],
  };
}
