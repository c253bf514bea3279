import { isIP } from 'node:net';
import type { RequestHandler, Response } from 'express';
import { bearerMatches } from '../intake/token.ts';
import type { ServiceConfig } from '../topology/topology.ts';
import { Problem } from './problems.ts';

/** What a caller may do; each may what those before it may. */
export const roles = ['view', 'operate', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Who asks, for the audit trail, and what they may. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
}

/** The caller whom a request was let through for. */
export function callerOf({ locals }: Response): Caller {
  const caller: unknown = locals['caller'];
  if (!isCaller(caller)) throw new Error('a route that needs a caller stands before the guard');
  return caller;
}

function isCaller(value: unknown): value is Caller {
  return typeof value === 'object' && value !== null && 'name' in value && 'role' in value;
}

/**
 * Lets through what carries `Authorization: Bearer <token>`.
 *
 * @throws Error when the token is empty: an empty token would let everybody in
 */
export function requireToken(token: string): RequestHandler {
  if (token.trim() === '') throw new Error('the admin token is empty');
  return (request, response, next) => {
    const header = request.headers.authorization;
    if (bearerMatches(header, token)) {
      response.locals['caller'] = { name: 'admin', role: 'admin' } satisfies Caller;
      next();
      return;
    }
    const detail =
      header === undefined
        ? 'Send the header "Authorization: Bearer <admin token>".'
        : 'The admin token is not the right one.';
    throw new Problem(401, 'unauthorized', 'The admin token is needed', detail);
  };
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
function hostnameOf(host: string): string | null {
  const match = /^(?:\[([\da-f:.]+)\]|([^:[\]/@\s]+))(?::\d+)?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
