import { expect, test } from 'vitest';
import { createUnderWay } from '../../src/backends/under-way.ts';

const carried = (transfer: number, startedAt: number) => ({
  transfer,
  instances: 50,
  bytes: 50e6,
  startedAt,
});

test('nothing under way is not quiet', () => {
  const way = createUnderWay();
  expect(way.quiet()).toBeNull();
  way.began(carried(1, 1_000));
  way.ended(1);
  expect(way.quiet()).toBeNull();
});

test('quiet since the start of the oldest, until something of any of them moves', () => {
  const way = createUnderWay();
  way.began(carried(1, 1_000));
  way.began(carried(2, 9_000));
  expect(way.quiet()).toEqual({ since: 1_000, instances: 50, bytes: 50e6 });
  way.moved(2, 0.1, 12_000);
  expect(way.quiet()).toMatchObject({ since: 12_000, instances: 50 });
});

test('what has arrived of the oldest is not waited for any more', () => {
  const way = createUnderWay();
  way.began(carried(1, 1_000));
  way.moved(1, 0.8, 5_000);
  expect(way.quiet()).toEqual({ since: 5_000, instances: 10, bytes: 10e6 });
  way.moved(1, 1, 6_000);
  expect(way.quiet()).toMatchObject({ since: 6_000, instances: 1 });
});

test('a transfer that ends well is a movement, one that fails is none', () => {
  const way = createUnderWay();
  way.began(carried(1, 1_000));
  way.began(carried(2, 2_000));
  way.ended(2);
  expect(way.quiet()).toMatchObject({ since: 1_000 });
  way.began(carried(3, 3_000));
  way.arrived(8_000);
  way.ended(3);
  expect(way.quiet()).toMatchObject({ since: 8_000 });
});

test('what is said of a transfer that is over changes nothing', () => {
  const way = createUnderWay();
  way.began(carried(1, 1_000));
  way.moved(7, 0.5, 5_000);
  expect(way.quiet()).toMatchObject({ since: 1_000 });
});
