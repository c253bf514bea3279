import { expect, test } from 'vitest';
import { createFrontRest } from '../../src/transfer/front-rest.ts';

test('a front that failed rests longer each time, at most ten seconds; one transfer at a time tries it then', () => {
  const rest = createFrontRest();
  let now = 0;
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    rest.began('front1');
    expect(rest.resting(now).has('front1')).toBe(now > 0);
    // Several that fail together are one failure.
    rest.failed('front1', now);
    rest.failed('front1', now + 1);
    rest.ended('front1');
    expect([...rest.resting(now + seconds * 1000 - 1)]).toEqual(['front1']);
    now += seconds * 1000;
    expect([...rest.resting(now)]).toEqual([]);
  }
  rest.began('front1');
  rest.answered('front1');
  expect([...rest.resting(now)]).toEqual([]);
});

test('a front that answers is taken from by any number of transfers', () => {
  const rest = createFrontRest();
  rest.began('front1');
  rest.began('front1');
  expect(rest.resting(0).size).toBe(0);
});
