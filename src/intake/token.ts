import { hash, timingSafeEqual } from 'node:crypto';

/**
 * Tells whether an `Authorization` header carries this bearer token. Both sides are hashed first, so that the comparison
 * takes the same time whatever was sent, its length included. The token's own hash is made once: this is asked for each image.
 */
export function bearerMatcher(token: string): (header: string | undefined) => boolean {
  const expected = digest(token);
  return (header) => {
    const given = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
    return timingSafeEqual(digest(given), expected);
  };
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
