import { expect, onTestFinished, test } from 'vitest';
import { type Arrivals, createArrivals } from '../../src/backends/arrivals.ts';
import { prior } from '../../src/backends/model/service.ts';
import { createPool } from '../../src/backends/pool-live.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import { placing } from '../ledger/driving.ts';
import { newLedger } from '../ledger/support.ts';
import { arrival, backendConfig, rig } from './rig.ts';

const second = 1_000;
const begin = Date.parse('2026-03-01T12:00:00Z');

function arrivalsOn(ledger: Ledger, now = begin, settleMs = 10 * second): Arrivals {
  return createArrivals({ ledger, settleMs, now });
}

/** So many instances of a study arrive, a tenth of a second apart. */
function send(ledger: Ledger, studyUid: string, count: number, at: number, station = 'CT1'): number {
  for (let index = 0; index < count; index++) {
    ledger.received(arrival(studyUid, { station, bytes: 1_000 }), at + index * 100);
  }
  return at + (count - 1) * 100;
}

/** Studies of 40 images that have come and gone; gives the time afterwards. */
function earlier(ledger: Ledger, arrivals: Arrivals, count: number): number {
  let now = begin;
  for (let index = 0; index < count; index++) {
    now = send(ledger, `1.9.${index}`, 40, now);
    arrivals.reserved(now);
    now += 11 * second;
    arrivals.reserved(now);
  }
  return now;
}

test('what is still to come of a bound study is booked on its backend, and less with each image', async () => {
  const { ledger } = await newLedger();
  const arrivals = arrivalsOn(ledger);
  let now = earlier(ledger, arrivals, 6);
  expect(arrivals.size).toBe(0);

  now = send(ledger, '1.2.1', 10, now);
  expect(arrivals.reserved(now)).toEqual(new Map());
  ledger.decide(placing('a', { studyUid: '1.2.1', at: now }));
  arrivals.bound('1.2.1', now);
  const booked = arrivals.reserved(now).get('a');
  expect(booked).toMatchObject({ instances: 30, bytes: 30_000 });
  // As fast as it has been coming.
  expect(booked?.instancesPerSecond).toBeGreaterThan(7);
  expect(booked?.instancesPerSecond).toBeLessThan(13);

  now = send(ledger, '1.2.1', 20, now + 100);
  expect(arrivals.reserved(now).get('a')).toMatchObject({ instances: 10 });
});

test('what was expected and does not come is booked no longer', async () => {
  const { ledger } = await newLedger();
  const arrivals = arrivalsOn(ledger);
  let now = earlier(ledger, arrivals, 6);
  now = send(ledger, '1.2.1', 10, now);
  ledger.decide(placing('a', { studyUid: '1.2.1', at: now }));
  expect(arrivals.reserved(now).get('a')).toMatchObject({ instances: 30 });
  expect(arrivals.reserved(now + 5 * second)).toEqual(new Map());
  // It is over, and no news is wanted of it.
  arrivals.reserved(now + 11 * second);
  expect(arrivals.size).toBe(0);
});

test('a study that is bound anew is booked where it is now', async () => {
  const { ledger } = await newLedger();
  const arrivals = arrivalsOn(ledger);
  let now = earlier(ledger, arrivals, 6);
  now = send(ledger, '1.2.1', 10, now);
  ledger.decide(placing('a', { studyUid: '1.2.1', at: now }));
  expect([...arrivals.reserved(now).keys()]).toEqual(['a']);
  ledger.rebind({ ...placing('b', { studyUid: '1.2.1', at: now, kind: 'rebound' }), expectedEpoch: 1 });
  arrivals.bound('1.2.1', now);
  expect([...arrivals.reserved(now).keys()]).toEqual(['b']);
});

test('a new start knows what was finished, and what was arriving when the old one died', async () => {
  const { ledger } = await newLedger();
  const first = arrivalsOn(ledger);
  const ended = earlier(ledger, first, 6);
  for (let index = 0; index < 6; index++) {
    ledger.decide(placing('a', { studyUid: `1.9.${index}` }));
    const transfer = ledger.claim('a', { instances: 1_000, bytes: 1e9 }, ended);
    if (transfer === null) throw new Error('nothing to send');
    ledger.conclude(
      transfer.id,
      { at: ended, code: 'done', detail: '', bytesSent: 1, instancesSent: 40 },
      new Map(transfer.deliveries.map(({ id }) => [id, { kind: 'proven', md5: 'm', bytes: null }])),
    );
    for (const { front, orthancIds } of ledger.beginRemoval(`1.9.${index}`, ended, ended))
      ledger.removed(front, orthancIds, ended);
  }
  const now = send(ledger, '1.2.1', 10, ended);
  ledger.decide(placing('a', { studyUid: '1.2.1', at: now }));
  const again = arrivalsOn(ledger, now);
  expect(again.reserved(now).get('a')).toMatchObject({ instances: 30 });
  const study = ledger.studySoFar('1.2.1');
  expect(study === null ? null : again.expected(study, now).instances).toBe(40);
});

test('one late image of a study of last week is no study that arrives', async () => {
  const { ledger } = await newLedger();
  const arrivals = arrivalsOn(ledger, begin + 7 * 86_400 * second);
  const now = begin + 7 * 86_400 * second;
  send(ledger, '1.2.1', 3, begin);
  ledger.decide(placing('a', { studyUid: '1.2.1' }));
  ledger.received(arrival('1.2.1'), now);
  expect(arrivals.reserved(now)).toEqual(new Map());
  expect(arrivals.size).toBe(0);
});

test('thousands that arrive at once are a matter of milliseconds', async () => {
  const { ledger } = await newLedger();
  const arrivals = arrivalsOn(ledger);
  for (let part = 0; part < 10; part++) {
    ledger.receivedMany(
      Array.from({ length: 500 }, (_, index) => arrival(`1.2.${part}.${index}`)),
      begin,
    );
  }
  arrivals.reserved(begin);
  expect(arrivals.size).toBe(5_000);
  const began = performance.now();
  for (let call = 1; call <= 100; call++) arrivals.reserved(begin + call * 20);
  expect((performance.now() - began) / 100).toBeLessThan(20);
});

test('a candidate has what was learnt, what is to come, what is quiet and what is free', async () => {
  const { ledger } = await newLedger();
  const time = begin;
  const learnt = { ...prior, samples: 9, secondsPerInstance: 0.02 };
  const toCome = { instances: 5, bytes: 5_000_000, instancesPerSecond: 1, bytesPerSecond: 1e6 };
  const pool = createPool({
    backends: [backendConfig('a', { disk: 100e9 }), backendConfig('b', { disk: 100e9 }), backendConfig('c')],
    ledger,
    learning: { model: (name) => (name === 'a' ? learnt : prior), learnt: () => undefined },
    arrivals: { reserved: () => new Map([['a', toCome]]) },
    downAfter: 2,
    clock: () => time,
    log: silentLogger(),
  });
  onTestFinished(() => pool.close());
  pool.observed('a', { at: time, up: true, reason: null, latencyMs: 1, diskBytes: 60e9 });
  pool.observed('c', { at: time, up: true, reason: null, latencyMs: 1, diskBytes: 60e9 });
  pool.laneTaken('a', { transfer: 1, instances: 7, bytes: 70, startedAt: time - 4_000 });
  const [a, b, c] = pool.candidates();
  expect(a).toMatchObject({
    service: learnt,
    reserved: toCome,
    quiet: { since: time - 4_000, instances: 7, bytes: 70 },
    freeBytes: 40e9 - 5e6,
    diskBytes: 100e9,
  });
  // Nobody has heard yet what it holds; and nobody said how large the disk is.
  expect(b).toMatchObject({ service: prior, quiet: null, freeBytes: null, diskBytes: 100e9 });
  expect(c).toMatchObject({ freeBytes: null, diskBytes: null });
});

test('a backend whose failures are over and that nothing is bound to any more may be tried by one new study', async () => {
  await using r = await rig([backendConfig('a'), backendConfig('b')]);
  r.allUp();
  r.pool.transferFailed('a', 'stalled', 'nothing moved for 15 s', r.time.clock());
  const [open] = r.pool.candidates();
  expect(open?.breakerReason).toContain('nothing moved');
  expect(open?.lanes).toBe(1);
  let woken = 0;
  r.pool.onChange(() => woken++);
  r.time.advance(10 * 60_000);
  expect(woken).toBeGreaterThan(0);
  expect(r.pool.candidates()[0]).toMatchObject({ breakerReason: null, lanes: 1 });
  // One at a time.
  r.ledger.received(arrival('1.2.1'), r.time.clock());
  r.ledger.decide(placing('a', { studyUid: '1.2.1' }));
  expect(r.pool.candidates()[0]?.breakerReason).toContain('nothing moved');
});
