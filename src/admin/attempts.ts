import type { Request, Response } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { Problem } from './problems.ts';

const windowMs = 60_000;
/** Attempts that fail, of one address in a minute. A person mistypes, a program with an old token asks every few seconds. */
export const mostFailures = 30;

/** Counts wrong tokens by the address they came from, so that nobody can try out many. */
export interface Attempts {
  /** @throws Problem 429 when this address has failed too often of late */
  allow(request: Request): Promise<void>;
  /** Another one failed. */
  failed(request: Request, response: Response): Promise<void>;
}

export function createAttempts(): Attempts {
  const limiter = rateLimit({
    windowMs,
    limit: mostFailures,
    keyGenerator: addressOf,
    // Counting is all it is for; what is said to the caller stands in `allow`.
    handler: (_request, _response, next) => next(),
    standardHeaders: false,
    legacyHeaders: false,
    // A proxy's header says what its sender likes; the address of the connection counts.
    validate: { xForwardedForHeader: false, forwardedHeader: false, keyGeneratorIpFallback: false },
  });
  return {
    async allow(request) {
      const seen = await limiter.getKey(addressOf(request));
      if (seen === undefined || seen.totalHits < mostFailures) return;
      const left = (seen.resetTime?.getTime() ?? Date.now() + windowMs) - Date.now();
      throw new Problem(
        429,
        'too-many-attempts',
        'Too many wrong tokens came from this address',
        'Wait a minute, then try again with the right one.',
        { retryAfterSeconds: Math.max(1, Math.ceil(left / 1000)) },
      );
    },
    async failed(request, response) {
      await limiter(request, response, () => undefined);
    },
  };
}

/** A whole /56 of IPv6 is one household or company. */
function addressOf({ socket }: Request): string {
  return ipKeyGenerator(socket.remoteAddress ?? '');
}
