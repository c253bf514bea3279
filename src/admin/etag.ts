import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';

/** The name of a text as it is now. */
export function etagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
}

/**
 * Sends a text that changes seldom; to whoever has it already, that it is the same. Not left to express: with `Cache-Control: no-cache`
 * in the request, which every `fetch` with `If-None-Match` adds by itself, it would send the whole of it.
 */
export function sendSeldomChanging(
  request: Request,
  response: Response,
  text: string,
  scope: 'public' | 'private',
): void {
  const etag = etagOf(text);
  response.set({ ETag: etag, 'Cache-Control': `${scope}, no-cache` });
  if (isNamed(request.get('If-None-Match'), etag)) response.status(304).end();
  else response.type('application/json').send(text);
}

/** Whether a header of conditions names it; weak names count, since the text is compared byte by byte. */
export function isNamed(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => ['*', etag, `W/${etag}`].includes(one.trim()));
}
