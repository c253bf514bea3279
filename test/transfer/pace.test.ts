import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Pace } from '../../src/transfer/relay.ts';

const forever = new AbortController().signal;

test('what was taken before is through at its rate before the next may go, and nothing is saved up', async () => {
  const pace = new Pace(100_000);
  const began = performance.now();
  // At once: no timer is waited for, however busy the machine is.
  expect(await Promise.race([pace.take(10_000, forever), setImmediate('it waits')])).toBe(true);
  expect(await pace.take(5000, forever)).toBe(true);
  // 10,000 bytes at 100,000 a second; timers may fire a millisecond early.
  expect(performance.now() - began).toBeGreaterThanOrEqual(98);
  expect(await pace.take(1, forever)).toBe(true);
  expect(performance.now() - began).toBeGreaterThanOrEqual(147);
});

test('a wait is given up at once, without an error', async () => {
  const pace = new Pace(1);
  await pace.take(1_000_000, forever);
  const stop = new AbortController();
  const waiting = pace.take(1, stop.signal);
  stop.abort();
  expect(await waiting).toBe(false);
});
