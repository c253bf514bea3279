import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import type { DeliveryOutcome, Transfer } from '../../src/study.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { createLanes, type Lanes } from '../../src/transfer/lanes.ts';
import { retry } from '../../src/transfer/outcome.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';
import { until } from '../support/wait.ts';

interface Carried {
  readonly transfer: Transfer;
  end(outcome: DeliveryOutcome): void;
}

/** Lanes on a real ledger and pool, whose transfers last until a test ends them. */
function lanesOf(bench: Rig): { readonly lanes: Lanes; readonly underWay: Set<Carried> } {
  const { ledger, pool, time } = bench;
  const underWay = new Set<Carried>();
  const lanes = createLanes({
    gatherMs: 0,
    ledger,
    pool,
    frontRest: createFrontRest(),
    limits: { instances: 1, bytes: 64_000_000 },
    carry: (transfer) =>
      new Promise((resolve) => {
        const carried: Carried = {
          transfer,
          end(outcome) {
            underWay.delete(carried);
            const outcomes = new Map(transfer.deliveries.map(({ id }) => [id, outcome]));
            const end = { at: time.clock(), code: 'done', detail: '', instancesSent: 1, bytesSent: 1 };
            ledger.conclude(transfer.id, end, outcomes);
            resolve();
          },
        };
        underWay.add(carried);
      }),
    clock: time.clock,
    log: silentLogger(),
  });
  return { lanes, underWay };
}

/** A study of one image that waits for this backend. */
function place({ ledger, time }: Rig, studyUid: string, backend: string): void {
  const at = time.clock();
  ledger.received(arrival(studyUid), at);
  const decision = { studyUid, copy: 0, at, policy: 'p', kind: 'placed', backend } as const;
  ledger.decide({ ...decision, reason: '', considered: [] });
}

test.each([
  [4, 2],
  [3, 1],
  [2, 1],
])('of %i lanes, what failed before takes %i at most, whatever waits', async (count, atMost) => {
  await using bench = await rig([backendConfig('a', { lanes: count })]);
  const { ledger, time } = bench;
  bench.allUp();
  const { lanes, underWay } = lanesOf(bench);
  const tries = () => [...underWay].map(({ transfer }) => transfer.deliveries[0]?.attempts ?? 0);
  const retries = () => tries().filter((attempts) => attempts > 0).length;
  const waiting = (studyUid: string): void => {
    place(bench, studyUid, 'a');
    lanes.wake('a');
  };
  for (let number = 0; number < 12; number++) waiting(`1.2.${number}`);
  // All of them fail once. Meanwhile what failed never holds more than its share.
  for (let failed = 0; failed < 12; failed++) {
    const fresh = await until(
      () => [...underWay].find((one) => one.transfer.deliveries[0]?.attempts === 0) ?? null,
      {
        what: 'one that was never tried',
      },
    );
    expect(retries()).toBeLessThanOrEqual(atMost);
    fresh.end(retry('send-failed', 'HTTP 500', time.clock()));
  }
  await until(() => retries() === atMost, { what: 'the retries to be under way' });
  // Nothing spins while they wait for a lane of theirs: a new image finds one free.
  waiting('1.3');
  await until(() => tries().includes(0), { what: 'the new one to go at once' });
  expect(retries()).toBe(atMost);
  // They all end: as lanes of theirs come free, the others follow.
  await until(
    () => {
      for (const one of underWay) one.end({ kind: 'proven', md5: 'f'.repeat(32), bytes: 1 });
      return ledger.queue().instances === 0;
    },
    { what: 'everything to go through' },
  );
  await lanes.stop(0);
});

test('what waits for many backends begins over several turns of the event loop, and all of it begins', async () => {
  const names = Array.from({ length: 20 }, (_, number) => `orthanc${number + 1}`);
  await using bench = await rig(names.map((name) => backendConfig(name)));
  bench.allUp();
  const { lanes, underWay } = lanesOf(bench);
  for (const name of names) place(bench, `1.2.${name.slice('orthanc'.length)}`, name);
  lanes.wakeAll();
  const perTurn: number[] = [];
  for (let before = 0; perTurn.length < 100 && before < names.length; before = underWay.size) {
    await setImmediate();
    perTurn.push(underWay.size - before);
  }
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(8);
  expect([...underWay].map(({ transfer }) => transfer.backend)).toEqual(names);
  for (const one of underWay) one.end({ kind: 'proven', md5: 'f'.repeat(32), bytes: 1 });
  await lanes.stop(0);
});
