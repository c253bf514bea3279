import { timingSafeEqual } from 'node:crypto';

const scheme = 'bearer ';

/**
 * Tells whether an `Authorization` header carries this bearer token. All characters are compared whatever was sent, so that the time it
 * takes says nothing of the token but its length. Hashing both sides would hide that too, and costs more than all else that is done for
 * a request: this is asked for each image.
 */
export function bearerMatcher(token: string): (header: string | undefined) => boolean {
  const expected = Buffer.from(token, 'utf8');
  const given = Buffer.alloc(expected.length);
  return (header = '') => {
    if (header.slice(0, scheme.length).toLowerCase() !== scheme) return false;
    const sent = header.slice(scheme.length).trim();
    // Longer ones are cut by the buffer, shorter ones leave what stood there: the length decides in any case.
    given.write(sent, 'latin1');
    return timingSafeEqual(given, expected) && sent.length === expected.length;
  };
}
