import express, { type Request, type RequestHandler, type Router } from 'express';
import type { z } from 'zod';
import { sendSeldomChanging } from './etag.ts';
import { type Caller, callerOf, type Role, requireRole } from './guard.ts';
import { invalid, Problem } from './problems.ts';

export type Method = 'get' | 'patch' | 'post' | 'put' | 'delete';

/** What a route takes and gives, for checking and for the description. Parts that are absent must be empty in the request. */
export interface RouteSpec<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  A extends z.ZodType,
> {
  readonly method: Method;
  /** As express has it: `/api/v1/studies/:uid`. */
  readonly path: string;
  readonly summary: string;
  /** Who may; by default everybody may look, and who operates may change. */
  readonly role?: Role;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** A request without a body is one with `{}`. */
  readonly bodyOptional?: boolean;
  readonly answer: A;
  /** It changes seldom: whoever has it asks with `If-None-Match`, and is told that it is the same. Otherwise nobody keeps an answer. */
  readonly revalidate?: boolean;
  /** Statuses beside 200 a caller should expect, with what they mean. */
  readonly problems?: Readonly<Record<number, string>>;
  /** What tells this state of the answer from others: sent as `ETag`, and handed back by callers as `If-Match`. */
  readonly tag?: (answer: z.output<A>) => string;
  handle(input: {
    params: z.output<P>;
    query: z.output<Q>;
    body: z.output<B>;
    signal: AbortSignal;
    caller: Caller;
    /** Tag of the state a caller wants to change; null: whatever it is. */
    ifMatch: string | null;
  }): z.output<A> | Promise<z.output<A>>;
}

/** A route whose types have done their work: what is left is to be mounted and described. */
export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  /** Who may; null: everybody, signed in or not. */
  readonly role: Role | null;
  readonly params: z.ZodType | null;
  readonly query: z.ZodType | null;
  readonly body: z.ZodType | null;
  /** Media type of the request's body where it is not JSON. */
  readonly bodyType: string | null;
  readonly bodyOptional: boolean;
  readonly answer: z.ZodType;
  /** Media type of the answer where it is not JSON. */
  readonly answerType: string | null;
  readonly problems: Readonly<Record<number, string>>;
  readonly handlers: readonly RequestHandler[];
}

/** Parses a body of JSON; one of another media type is left alone. */
export const json = express.json({ limit: '16kb', type: ['application/json', 'application/*+json'] });

/** Makes a JSON route: checks path, query and body, calls `handle`, answers what it returns. */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  spec: RouteSpec<P, Q, B, A>,
): Route {
  const run: RequestHandler = async (request, response) => {
    const params = check('path', spec.params, request.params);
    const query = check('query', spec.query, request.query);
    const body = check(
      'body',
      spec.body,
      spec.body === undefined ? undefined : bodyOf(request, spec.bodyOptional === true),
    );
    const answer = await spec.handle({
      params,
      query,
      body,
      signal: goneSignal(request),
      caller: callerOf(response),
      ifMatch: tagIn(request.headers['if-match']),
    });
    if (spec.tag !== undefined) response.set('ETag', `"${spec.tag(answer)}"`);
    if (spec.revalidate === true) sendSeldomChanging(request, response, JSON.stringify(answer), 'private');
    else response.set('Cache-Control', 'no-store').json(answer);
  };
  return {
    method: spec.method,
    path: spec.path,
    summary: spec.summary,
    role: spec.role ?? defaultRole(spec.method),
    params: spec.params ?? null,
    query: spec.query ?? null,
    body: spec.body ?? null,
    bodyType: null,
    bodyOptional: spec.bodyOptional ?? false,
    answer: spec.answer,
    answerType: null,
    problems: spec.problems ?? {},
    handlers: spec.body === undefined ? [run] : [json, run],
  };
}

/** The tag of `If-Match: "tag"`; `*` and nothing mean any. A proxy that compresses may have made it a weak one. */
function tagIn(header: string | undefined): string | null {
  if (header === undefined || header.trim() === '*') return null;
  return header.trim().replace(/^(?:W\/)?"(.*)"$/, '$1');
}

/** Makes a route that answers by itself what is no JSON: a file, a stream. Its handlers check what they are sent. */
export function rawRoute(
  spec: Pick<Route, 'method' | 'path' | 'summary' | 'answer' | 'answerType' | 'handlers'> & Partial<Route>,
): Route {
  return {
    role: defaultRole(spec.method),
    params: null,
    query: null,
    body: null,
    bodyType: null,
    bodyOptional: false,
    problems: {},
    ...spec,
  };
}

export function defaultRole(method: Method): Role {
  return method === 'get' ? 'view' : 'operate';
}

/** Mounts the routes that are for everybody. Before the guard. */
export function mountOpen(router: Router, routes: readonly Route[]): void {
  for (const one of routes) if (one.role === null) router[one.method](one.path, ...one.handlers);
}

/** Mounts the others, each behind its role, and answers 405 for the paths of all with another method. After the guard. */
export function mount(router: Router, routes: readonly Route[]): void {
  for (const one of routes) {
    if (one.role !== null) router[one.method](one.path, requireRole(one.role), ...one.handlers);
  }
  const methods = new Map<string, string[]>();
  for (const one of routes)
    methods.set(one.path, [...(methods.get(one.path) ?? []), one.method.toUpperCase()]);
  for (const [path, allowed] of methods) {
    router.all(path, (request, response) => {
      response.set('Allow', allowed.join(', '));
      throw new Problem(
        405,
        'wrong-method',
        'This method is not for this path',
        `${request.method} is not possible here; ${allowed.join(', ')} is.`,
      );
    });
  }
}

/** @throws Problem with all mistakes of this part */
export function check<S extends z.ZodType>(
  part: 'path' | 'query' | 'body',
  schema: S | undefined,
  value: unknown,
): z.output<S> {
  // A route without this part gets what its type says it may use: nothing.
  if (schema === undefined) return undefined as z.output<S>;
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(part, parsed.error);
  return parsed.data;
}

/** The parsed body. @throws Problem 415 when it was no JSON by its media type */
export function bodyOf(request: Request, optional: boolean): unknown {
  const body: unknown = request.body;
  if (body === undefined && optional && !carriesBody(request)) return {};
  if (body === undefined) {
    throw new Problem(
      415,
      'wrong-media-type',
      'A JSON body is needed',
      'Send the body with "Content-Type: application/json".',
    );
  }
  return body;
}

function carriesBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Aborts when the caller hangs up before the answer, so that nothing goes on working for nobody. */
export function goneSignal(request: Request): AbortSignal {
  const controller = new AbortController();
  request.res?.once('close', () => {
    if (request.res?.writableFinished !== true) controller.abort();
  });
  return controller.signal;
}
