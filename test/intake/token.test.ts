import { expect, test } from 'vitest';
import { bearerMatcher } from '../../src/intake/token.ts';

test('only the very token, as a bearer, matches', () => {
  const matches = bearerMatcher('secret-token');
  expect(matches('Bearer secret-token')).toBe(true);
  expect(matches('bearer   secret-token ')).toBe(true);
  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic secret-token',
    'Bearer secret-toke',
    'Bearer secret-token2',
    'Bearer secret-token secret-token',
    'secret-token',
  ]) {
    expect(matches(header), String(header)).toBe(false);
  }
});
