import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Transfer } from '../../src/study.ts';
import { type CarryDeps, createCarry } from '../../src/transfer/carry.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { arrival, type Rig } from '../backends/rig.ts';

/** What carries a transfer, on the ledger and by the time of the rig. A backend that is blamed fails the test. */
export function carrying(
  { ledger, pool, time }: Rig,
  deps: Pick<CarryDeps, 'fronts' | 'backends'> & Partial<CarryDeps>,
): ReturnType<typeof createCarry> {
  return createCarry({
    ledger,
    pool,
    frontRest: createFrontRest(),
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
    ...deps,
  });
}

/** One instance that stands on a front, its study bound to orthanc1, and claimed. `followed`: because that has it already. */
export function claimedFor(
  { ledger, time }: Rig,
  { studyUid, orthancId }: { readonly studyUid: string; readonly orthancId: string },
  {
    front = 'front',
    kind = 'placed',
  }: { readonly front?: string; readonly kind?: 'placed' | 'followed' } = {},
): Transfer {
  ledger.received(arrival(studyUid, { orthancId, front }), time.clock());
  ledger.decide({
    studyUid,
    copy: 0,
    at: time.clock(),
    policy: 'round-robin',
    kind,
    backend: 'orthanc1',
    reason: 'for a test',
    considered: [],
  });
  const transfer = ledger.claim('orthanc1', { instances: 50, bytes: 64_000_000 }, time.clock());
  if (transfer === null) throw new Error('there was something to claim');
  return transfer;
}
