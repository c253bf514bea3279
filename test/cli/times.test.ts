import { expect, test } from 'vitest';
import { isoOf, momentOf } from '../../src/cli/times.ts';

const now = Date.parse('2026-11-24T12:00:00Z');

test.each([
  ['2026-11-24T08:00:00Z', '2026-11-24T08:00:00.000Z'],
  ['2026-11-24T08:00:00+02:00', '2026-11-24T06:00:00.000Z'],
  ['2h', '2026-11-24T10:00:00.000Z'],
  ['30 min', '2026-11-24T11:30:00.000Z'],
  ['7d', '2026-11-17T12:00:00.000Z'],
])('%s is a time', (text, iso) => {
  expect(new Date(momentOf(text, now)).toISOString()).toBe(iso);
});

test('a date is midnight here', () => {
  expect(momentOf('2026-11-24')).toBe(new Date(2026, 10, 24).getTime());
  expect(isoOf('2026-11-24T08:00:00Z')).toBe('2026-11-24T08:00:00.000Z');
});

test.each(['yesterday', '', '2', '2026', '2026-13-01', '12:00', '2 weeks'])('"%s" is none', (text) => {
  expect(() => momentOf(text, now)).toThrow('Write it such as');
});
