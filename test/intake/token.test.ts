import { expect, test } from 'vitest';
import { bearerMatches } from '../../src/intake/token.ts';

test('only the very token, as a bearer, matches', () => {
  expect(bearerMatches('Bearer secret-token', 'secret-token')).toBe(true);
  expect(bearerMatches('bearer   secret-token ', 'secret-token')).toBe(true);
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
    expect(bearerMatches(header, 'secret-token'), String(header)).toBe(false);
  }
});
