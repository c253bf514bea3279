import { parseCookie } from 'cookie';
import type { Request, RequestHandler, Response } from 'express';
import { isLoopback } from '../loopback.ts';
import { type Role, roles } from '../study.ts';
import type { ServiceConfig } from '../topology/topology.ts';
import type { Accounts, Caller } from './accounts.ts';
import type { Attempts } from './attempts.ts';
import { Problem } from './problems.ts';

export { type Role, roles } from '../study.ts';
export type { Caller } from './accounts.ts';

export const cookieName = 'dde_session';
/** What a page must send with what changes something. No other site can have a browser send it without being asked first. */
export const pageHeader = 'X-DDE-Request';

/** The caller whom a request was let through for. */
export function callerOf({ locals }: Response): Caller {
  const caller: unknown = locals['caller'];
  if (!isCaller(caller)) throw new Error('a route that needs a caller stands before the guard');
  return caller;
}

function isCaller(value: unknown): value is Caller {
  return typeof value === 'object' && value !== null && 'name' in value && 'role' in value;
}

/** Characters of a token that cannot be tried out over a network; the generated token of the file has as many. */
export const unguessable = 32;

/** Finds out whose token this is. */
export type Authenticate = (token: string, request: Request, response: Response) => Promise<Caller>;

/** Everybody's token in one place: those in the ledger, and the one of the file, which must not be tried out. */
export function createAuthenticate(accounts: Accounts, attempts: Attempts): Authenticate {
  return async (token, request, response) => {
    const known = accounts.ofMadeToken(token);
    if (known !== null) return known;
    const isGuess = !accounts.isMadeToken(token);
    const caller = accounts.ofFileToken(token);
    // So long a one nobody tries out; and a program with a wrong token, behind the same proxy or on this machine, locks nobody out.
    if (caller !== null && token.length >= unguessable) return caller;
    if (isGuess) await attempts.allow(request);
    if (caller !== null) return caller;
    if (isGuess) await attempts.failed(request, response);
    throw unauthorized('This token is none of this service, or it was revoked.');
  };
}

/**
 * Lets through what carries `Authorization: Bearer TOKEN`, or the cookie of a session; who it is stands in the response's locals
 * afterwards. What a session changes must come from a page of this service: the browser adds the cookie by itself.
 */
export function createGuard(accounts: Accounts, authenticate: Authenticate): RequestHandler {
  async function callerOfRequest(request: Request, response: Response): Promise<Caller> {
    const header = request.headers.authorization;
    if (header !== undefined) {
      const token = /^Bearer +(\S+) *$/i.exec(header)?.[1];
      if (token === undefined) throw unauthorized('Send the header "Authorization: Bearer TOKEN".');
      return await authenticate(token, request, response);
    }
    const cookie = cookieOf(request);
    if (cookie === null) {
      throw unauthorized(
        'Send the header "Authorization: Bearer TOKEN", or sign in by POST /api/v1/session.',
      );
    }
    const caller = accounts.ofCookie(cookie);
    if (caller === null) {
      response.clearCookie(cookieName, cookieOptions(request));
      throw unauthorized('The session is over: sign in again.');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') requireOwnPage(request);
    return caller;
  }

  return async (request, response, next) => {
    const caller = await callerOfRequest(request, response);
    response.locals['caller'] = caller;
    // What changes something is carried out to its end, whoever revokes what meanwhile: it stands in the audit trail.
    if (request.method === 'GET') {
      accounts.underWay.add(
        accounts.keysOf(caller, caller.until === null ? null : cookieOf(request)),
        response,
      );
    }
    next();
  };
}

export function cookieOf(request: Request): string | null {
  return parseCookie(request.headers.cookie ?? '')[cookieName] ?? null;
}

/**
 * No `Max-Age`: the service alone decides when a session is over, and the browser forgets the cookie when it is closed. `Secure` where
 * the connection is.
 */
export function cookieOptions(request: Request) {
  return { httpOnly: true, sameSite: 'strict', path: '/', secure: request.secure } as const;
}

function requireOwnPage(request: Request): void {
  requireSameOrigin(request);
  if (request.headers[pageHeader.toLowerCase()] === '1') return;
  throw crossSite(`With a session, send the header "${pageHeader}: 1" with what changes something.`);
}

/** Browsers say where a request comes from; other programs do not. */
export function requireSameOrigin({ headers }: Request): void {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  throw crossSite('A page of another address may not do this.');
}

function crossSite(detail: string): Problem {
  return new Problem(403, 'cross-site', 'This did not come from a page of this service', detail);
}

/** Stands before every route. @throws Problem `not-allowed` */
export function requireRole(needed: Role): RequestHandler {
  return (_request, response, next) => {
    const { name, role } = callerOf(response);
    if (roles.indexOf(role) < roles.indexOf(needed)) {
      throw new Problem(
        403,
        'not-allowed',
        'The role is too small for this',
        `${name} has the role ${role}; this needs ${needed}.`,
      );
    }
    next();
  };
}

function unauthorized(detail: string): Problem {
  return new Problem(401, 'unauthorized', 'A token or a session is needed', detail);
}

/**
 * While the service listens on loopback only, a web page elsewhere could still reach it by letting its own name point to
 * 127.0.0.1; such a request carries that name as `Host`. Only names of this machine's loopback, and the name in the
 * service's own URL, are answered. Listening wider, any name may be legitimate, and the token alone decides.
 */
export function requireLocalHost(service: ServiceConfig): RequestHandler {
  if (!isLoopback(service.listen)) return (_request, _response, next) => next();
  const own = URL.canParse(service.url) ? hostnameOf(new URL(service.url).host) : null;
  return (request, _response, next) => {
    const host = hostnameOf(request.headers.host ?? '');
    if (host !== null && (isLoopback(host) || host === own)) {
      next();
      return;
    }
    throw new Problem(
      421,
      'wrong-host',
      'This is not the host that was asked',
      `Ask for ${service.url} instead.`,
    );
  };
}

/** Host name of a Host header, lower case, without port and brackets; null when it is none. */
export function hostnameOf(host: string): string | null {
  const match = /^(?:\[([\da-f:.]+)\]|([^:[\]/@\s]+))(?::\d+)?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
}
