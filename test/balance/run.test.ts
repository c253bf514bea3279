import { expect, test } from 'vitest';
import { check } from '../../bench/balance/check.ts';
import { type LiveCase, liveCase } from '../../bench/balance/live-case.ts';
import { parsePolicy } from '../../bench/balance/policy.ts';
import { makeFiles, replay } from '../../bench/balance/replay.ts';
import { runOnce } from '../../bench/balance/run.ts';
import { frontsEmpty, startFarm } from '../support/farm.ts';

/** Two backends of the scenario, its first studies, all of them measured; the first backend stalls for a moment. */
function small(studies: number): LiveCase {
  const live = liveCase('unrelated', 1, 1);
  const conditions = [
    { at: 0.2, speed: 0, steady: 0, answers: true },
    { at: 1.2, speed: 1, steady: 1, answers: true },
  ];
  return {
    ...live,
    backends: live.backends
      .slice(2, 4)
      .map((backend, index) => ({ ...backend, conditions: index === 0 ? conditions : [] })),
    studies: live.studies.slice(0, studies).map((one) => ({ ...one, isWarmUp: false })),
  };
}

test('a run measures what a trace takes, on a farm that is slowed and checked', async () => {
  const live = small(8);
  const run = await runOnce(live, makeFiles(live), parsePolicy('round-robin'));
  expect(run.studies).toEqual([4, 4]);
  expect(run.rebound).toBe(0);
  expect(run.p50).toBeLessThanOrEqual(run.p99);
  expect(run.p99).toBeLessThanOrEqual(run.max);
  expect(run.max).toBeLessThan(run.makespan);
  expect(run.slowest[0]?.seconds).toBe(run.max);
});

test('a run in which something is elsewhere, or other than it was sent, does not count', async () => {
  const made = makeFiles(small(4));
  await using farm = await startFarm({ settle: '0 s' });
  const sent = made.slice(0, 3);
  await replay(sent, farm.front.dicomPort);
  await frontsEmpty(farm);
  expect((await check(farm, sent)).size).toBe(sent.length);

  await expect(check(farm, made)).rejects.toThrow('is on no backend');
  const altered = sent.map((one) => ({
    ...one,
    study: {
      ...one.study,
      instances: one.study.instances.map((instance) => ({ ...instance, file: Buffer.alloc(100) })),
    },
  }));
  await expect(check(farm, altered)).rejects.toThrow('has other pixels');
});
