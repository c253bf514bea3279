import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RefusalCount } from '../../src/transfer/refusals.ts';

const minute = 60_000;

test('the fifth refusal counts, where the backend took something before each', () => {
  const count = new RefusalCount();
  const answers = [1, 2, 3, 4, 5].map((at) => {
    const answer = count.refused(7, 'a', at * 1000);
    count.provenOn('a', at * 1000 + 1);
    return answer;
  });
  expect(answers).toEqual([false, false, false, false, true]);
  // It stays so, until it is delivered.
  expect(count.refused(7, 'a', 9000)).toBe(true);
  expect(count.refused(7, 'b', 9000)).toBe(false);
  count.forget(7, 'a');
  expect(count.refused(7, 'a', 9000)).toBe(false);
});

test('where it takes nothing else, twelve over ten minutes', () => {
  const count = new RefusalCount();
  for (let times = 0; times < 30; times++) expect(count.refused(7, 'a', times * 1000)).toBe(false);
  expect(count.refused(7, 'a', 10 * minute)).toBe(true);
  for (let times = 0; times < 11; times++) expect(count.refused(8, 'a', times * 2 * minute)).toBe(false);
  expect(count.refused(8, 'a', 22 * minute)).toBe(true);
});

test('the fifth damage in a row is once too often; a delivery in between begins anew', () => {
  const count = new RefusalCount();
  const times = (n: number) => Array.from({ length: n }, () => count.damaged(7, 'a'));
  expect(times(4)).toEqual([false, false, false, false]);
  count.forget(7, 'a');
  expect(times(5)).toEqual([false, false, false, false, true]);
});

test('no instance counts for another, whatever comes', () => {
  const event = fc.record({ instance: fc.nat(2), backend: fc.constantFrom('a', 'b'), took: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const count = new RefusalCount();
      const seen = new Map<string, number>();
      for (const [at, { instance, backend, took }] of events.entries()) {
        if (took) count.provenOn(backend, at);
        const key = `${instance} ${backend}`;
        seen.set(key, (seen.get(key) ?? 0) + 1);
        if (count.refused(instance, backend, at)) expect(seen.get(key)).toBeGreaterThanOrEqual(5);
      }
    }),
  );
});
