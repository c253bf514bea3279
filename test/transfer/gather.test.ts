import { expect, test } from 'vitest';
import { gatherFor } from '../../src/transfer/gather.ts';

const usual = 80;

test('what comes fast goes at the usual distance', () => {
  expect(gatherFor({ instances: 10, afterMs: 80 }, usual, true)).toBe(usual);
});

test('what comes steadily and more slowly gathers for longer, so that enough goes together', () => {
  expect(gatherFor({ instances: 5, afterMs: 80 }, usual, false)).toBe(128);
  expect(gatherFor({ instances: 8, afterMs: 128 }, usual, false)).toBe(128);
});

test('and never for longer than two and a half times as long', () => {
  expect(gatherFor({ instances: 2, afterMs: 80 }, usual, false)).toBe(200);
});

test('a single image does not wait for others, unless the one before it is still under way', () => {
  expect(gatherFor({ instances: 1, afterMs: 120 }, usual, false)).toBe(usual);
  expect(gatherFor({ instances: 1, afterMs: 120 }, usual, true)).toBe(200);
});

test('a pause says nothing about how fast images come after it', () => {
  expect(gatherFor({ instances: 4, afterMs: null }, usual, true)).toBe(usual);
  expect(gatherFor({ instances: 4, afterMs: 60_000 }, usual, true)).toBe(usual);
});

test('where nothing is to gather nothing does', () => {
  expect(gatherFor({ instances: 2, afterMs: 0 }, 0, true)).toBe(0);
});
