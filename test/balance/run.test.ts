import { expect, test } from 'vitest';
import { check } from '../../bench/balance/check.ts';
import { modelOf } from '../../bench/balance/model.ts';
import { parsePolicy } from '../../bench/balance/policy.ts';
import { makeTrace, replay } from '../../bench/balance/replay.ts';
import { runOnce } from '../../bench/balance/run.ts';
import { type LiveScenario, liveScenarios } from '../../bench/balance/scenarios.ts';
import { traceOf } from '../../bench/balance/trace.ts';
import { frontsEmpty, startFarm } from '../support/farm.ts';

const scenario: LiveScenario = {
  name: 'two',
  what: 'a slow one and one that stalls for a moment',
  backends: [
    { bytesPerSecond: 20e6, secondsPerImage: 0.05 },
    { bytesPerSecond: 10e6, secondsPerImage: 0 },
  ],
  load: 0.5,
  stall: { backend: 0, at: 0.2, seconds: 1 },
};

test('a run measures what a trace takes, on a farm that is slowed and checked', async () => {
  const made = makeTrace(traceOf(scenario, 8, 1));
  const policy = parsePolicy('round-robin');
  const run = await runOnce(scenario, made, policy);
  expect(run.studies).toEqual([5, 5]);
  expect(run.rebound).toBe(0);
  expect(run.p50).toBeLessThanOrEqual(run.p99);
  expect(run.p99).toBeLessThanOrEqual(run.max);
  expect(run.max).toBeLessThan(run.makespan);
});

test('a run in which something is elsewhere, or other than it was sent, does not count', async () => {
  const made = makeTrace(traceOf(scenario, 3, 2));
  await using farm = await startFarm({ settle: '0 s' });
  await replay(made, farm.front.dicomPort);
  await frontsEmpty(farm);
  expect((await check(farm, made)).size).toBe(made.length);

  const others = makeTrace(traceOf(scenario, 3, 3));
  await expect(check(farm, others)).rejects.toThrow('is on no backend');
  const altered = made.map((one) => ({
    ...one,
    study: {
      ...one.study,
      instances: one.study.instances.map((instance) => ({ ...instance, file: Buffer.alloc(100) })),
    },
  }));
  await expect(check(farm, altered)).rejects.toThrow('has other pixels');
});

test('the model takes every scenario as it is sent', () => {
  for (const one of liveScenarios) {
    const figures = modelOf(one, traceOf(one, 100, 1), parsePolicy('least-in-flight'));
    expect(figures.p50).toBeLessThanOrEqual(figures.p99);
    expect(figures.p99).toBeLessThanOrEqual(figures.makespan);
  }
});
