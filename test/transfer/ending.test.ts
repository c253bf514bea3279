import { expect, test } from 'vitest';
import { endingOf } from '../../src/transfer/ending.ts';
import { backendConfig, rig } from '../backends/rig.ts';

test.each([
  ['goes down', [backendConfig('a')]],
  ['moves to another address', [backendConfig('a', { url: 'http://elsewhere:1' })]],
  ['leaves the topology', [backendConfig('b')]],
])('a transfer ends when its backend %s', async (what, topology) => {
  await using r = await rig([backendConfig('a')]);
  r.allUp();
  const ending = endingOf(r.pool, 'a', new AbortController().signal);
  r.pool.configure([backendConfig('a', { weight: 2, lanes: 7 })]);
  expect(ending.why()).toBeNull();
  r.pool.configure(topology);
  if (what === 'goes down') {
    for (let times = 0; times < 2; times++)
      r.pool.observed('a', { at: r.time.clock(), up: false, reason: 'x', latencyMs: null });
  }
  expect(ending.why()).toBe('backend-down');
  expect(ending.signal.aborted).toBe(true);
  ending.release();
});
