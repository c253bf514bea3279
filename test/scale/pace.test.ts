import { afterEach, expect, test, vi } from 'vitest';
import { Pace } from '../../bench/scale/pace.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('jobs stand in one line, and those that stand in it when the pace changes are let go', async () => {
  vi.useFakeTimers();
  const pace = new Pace();
  const over: string[] = [];
  const send = (name: string, images: number): void => {
    void pace.wait(images).then(() => over.push(name));
  };
  pace.set(100);
  send('a second', 100);
  send('another one', 100);
  send('a long one', 3000);
  await vi.advanceTimersByTimeAsync(1000);
  expect(over).toEqual(['a second']);
  await vi.advanceTimersByTimeAsync(1000);
  expect(over).toEqual(['a second', 'another one']);

  pace.set(Number.POSITIVE_INFINITY);
  send('after the change', 5000);
  await vi.advanceTimersByTimeAsync(1);
  expect(over).toEqual(['a second', 'another one', 'a long one', 'after the change']);
  expect(vi.getTimerCount()).toBe(0);
});
