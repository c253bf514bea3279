import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nearest } from '../../src/topology/problems.ts';
import { parseDuration, parseRate, parseSize } from '../../src/topology/units.ts';

it.each([
  ['500 ms', 500],
  ['60 s', 60_000],
  ['1.5 min', 90_000],
  ['2h', 7_200_000],
  ['30 d', 2_592_000_000],
  ['0 s', 0],
])('%s is %d ms', (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

it.each([
  ['1 B', 1],
  ['64 MB', 64_000_000],
  ['64 MiB', 67_108_864],
  ['0.5 GB', 500_000_000],
  ['2 TiB', 2 * 2 ** 40],
])('%s is %d bytes', (text, expected) => {
  expect(parseSize(text)).toBe(expected);
});

it('reads rates', () => {
  expect(parseRate('1 MB/s')).toBe(1_000_000);
  expect(parseRate('1 MB')).toBeNull();
  expect(parseRate('/s')).toBeNull();
});

it.each([
  '60',
  '',
  's',
  '-1 s',
  '1e3 s',
  '1 S',
  '1 sec',
  '1  s',
  ' 1 s',
  '1 s ',
  '1,5 s',
  '٣ s',
  '1 constructor',
  '1 MB',
  '.5 s',
  '5. s',
  '9'.repeat(40) + ' d',
  '999999999999999 d',
])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeNull();
});

it('reads every whole number of every unit exactly', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), (count) => {
      expect(parseDuration(`${count} s`)).toBe(count * 1000);
      expect(parseSize(`${count} MiB`)).toBe(count * 1_048_576);
      expect(parseSize(`${count}kB`)).toBe(count * 1000);
    }),
  );
});

it('proposes what is near, and nothing that is far', () => {
  expect(nearest('roting', ['service', 'routing'])).toBe('routing');
  expect(nearest('URL', ['name', 'url'])).toBe('url');
  expect(nearest('xyzzy', ['service', 'routing'])).toBeNull();
});
