import { expect, test } from 'vitest';
import { type Figures, medians, ratioOf } from '../../bench/balance/figures.ts';
import { parsePolicy } from '../../bench/balance/policy.ts';
import { reportOf, tableOf } from '../../bench/balance/report.ts';
import type { Run } from '../../bench/balance/run.ts';

const figures = (p99: number, makespan = 10 * p99): Figures => ({
  p50: 1,
  p95: 2,
  p99,
  max: p99 + 1,
  makespan,
});
const run = (p99: number): Run => ({ ...figures(p99), studies: [1, 2], rebound: 0, slowest: [], cpu: 0.5 });

test('medians are taken of each measure by itself, and of two in the middle the mean', () => {
  expect(medians([figures(9), figures(1), figures(3)])).toEqual(figures(3));
  expect(medians([figures(1), figures(3)]).p99).toBe(2);
  expect(medians([]).p99).toBeNaN();
});

test('a repeat in which the machine was busy makes no ratio', () => {
  // Both took ten times as long in the second repeat; the medians by themselves would say 20 ÷ 3.
  const ours = [1, 30, 3].map((p99) => figures(p99));
  const theirs = [2, 60, 6].map((p99) => figures(p99));
  expect(ratioOf(theirs, ours, 'p99')).toBe(2);
});

test('every policy is compared with the first, in life and in the model', () => {
  const report = reportOf('live-differing', [
    { label: 'weighted-round-robin', runs: [run(2), run(2), run(4)], model: figures(3) },
    { label: 'round-robin', runs: [run(4), run(8), run(12)], model: figures(12, 33) },
  ]);
  expect(report.rows[0]?.times.p99).toEqual({ live: 1, model: 1 });
  expect(report.rows[1]?.times).toEqual({
    p99: { live: 3, model: 4 },
    makespan: { live: 3, model: 1.1 },
  });
  const lines = tableOf(report).split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[2]).toContain('12.0  3.00  4.00  3.00  1.10');
  expect(lines[1]?.length).toBeLessThanOrEqual(80);
});

test('a policy is written with the order of its queue or without', () => {
  expect(parsePolicy('round-robin')).toEqual({ label: 'round-robin', policy: 'round-robin', order: 'fifo' });
  expect(parsePolicy('expected-completion:lpt').order).toBe('lpt');
  expect(() => parsePolicy('best')).toThrow('there is no policy best: take one of expected-completion');
  expect(() => parsePolicy('fastest:loud')).toThrow('there is no order loud: take one of fifo');
  expect(() => parsePolicy('fastest:lpt:fifo')).toThrow('no order');
});
