import type { Request, RequestHandler } from 'express';
import type { AccessToken } from '../../study.ts';
import {
  createdTokenAnswer,
  type SessionAnswer,
  sessionAnswer,
  sessionBody,
  signedOutAnswer,
  type TokenAnswer,
  tokenAnswer,
  tokenBody,
  tokenParams,
} from '../account-schemas.ts';
import type { Caller } from '../accounts.ts';
import type { AdminDeps } from '../deps.ts';
import {
  type Authenticate,
  callerOf,
  cookieName,
  cookieOf,
  cookieOptions,
  requireSameOrigin,
} from '../guard.ts';
import { iso } from '../present-failover.ts';
import { Problem } from '../problems.ts';
import { bodyOf, check, json, type Route, route } from '../route.ts';
import { listOf } from '../schemas.ts';

/** Who may use the service: sessions of people at a browser, tokens of people and programs. */
export function accountRoutes(
  { accounts, log }: Pick<AdminDeps, 'accounts' | 'log'>,
  authenticate: Authenticate,
): readonly Route[] {
  const signIn: RequestHandler = async (request, response) => {
    // Another site must not be able to sign somebody in as somebody else.
    requireSameOrigin(request);
    const { token } = check('body', sessionBody, bodyOf(request, false));
    const from = addressOf(request);
    const caller = await authenticate(token, request, response).catch((error: unknown) => {
      // The guard's failures are not logged: there a program may ask every second with an old token.
      if (error instanceof Problem) log.warn('sign-in refused', { from, code: error.code });
      throw error;
    });
    const { cookie, until } = accounts.signIn(caller, token, from);
    response
      .cookie(cookieName, cookie, cookieOptions(request))
      .set('Cache-Control', 'no-store')
      .json(presentSession({ ...caller, until }));
  };

  const signOut: RequestHandler = (request, response) => {
    const caller = callerOf(response);
    const cookie = caller.until === null ? null : cookieOf(request);
    if (cookie !== null) {
      accounts.signOut(caller, cookie);
      response.clearCookie(cookieName, cookieOptions(request));
    }
    response.set('Cache-Control', 'no-store').json({ signedOut: cookie !== null });
  };

  return [
    {
      method: 'post',
      path: '/api/v1/session',
      summary: 'Signs in with a token: begins a session, whose cookie is set',
      role: null,
      params: null,
      query: null,
      body: sessionBody,
      bodyType: null,
      bodyOptional: false,
      answer: sessionAnswer,
      answerType: null,
      problems: {},
      handlers: [json, signIn],
    },
    route({
      method: 'get',
      path: '/api/v1/session',
      summary: 'Who asks, and what they may',
      answer: sessionAnswer,
      handle: ({ caller }) => presentSession(caller),
    }),
    {
      method: 'delete',
      path: '/api/v1/session',
      summary: 'Signs out: ends the session, and what is still being answered to it',
      role: 'view',
      params: null,
      query: null,
      body: null,
      bodyType: null,
      bodyOptional: false,
      answer: signedOutAnswer,
      answerType: null,
      problems: {},
      handlers: [signOut],
    },
    route({
      method: 'get',
      path: '/api/v1/tokens',
      summary: 'All tokens that were created, the revoked ones too; never the tokens themselves',
      role: 'admin',
      answer: listOf(tokenAnswer),
      handle: () => ({ items: accounts.tokens().map(presentToken) }),
    }),
    route({
      method: 'post',
      path: '/api/v1/tokens',
      summary: 'Creates a token; it is told in this answer and never again',
      role: 'admin',
      body: tokenBody,
      answer: createdTokenAnswer,
      problems: { 409: 'The name is taken, if only by a token that is revoked' },
      handle: ({ body: { name, role }, caller }) => {
        const created = accounts.createToken(name, role, caller.name);
        if (created.ok) return { ...presentToken(created.info), token: created.token };
        throw new Problem(
          409,
          'name-taken',
          'The name is taken',
          created.reason === 'reserved'
            ? `${name} is the audit trail's name for another: choose another.`
            : `There is, or was, a token named ${name}: choose another, so that the audit trail says who did what.`,
        );
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/tokens/:name',
      summary: 'Revokes a token for good; its sessions end at once',
      role: 'admin',
      params: tokenParams,
      answer: tokenAnswer,
      problems: { 404: 'No token of this name' },
      handle: ({ params: { name }, caller }) => {
        const revoked = accounts.revokeToken(name, caller.name);
        if (revoked !== null) return presentToken(revoked);
        throw new Problem(
          404,
          'unknown-token',
          'There is no such token',
          `No token named ${name} was created here. The token of the state folder, or of DDE_ADMIN_TOKEN, is changed there.`,
        );
      },
    }),
  ];
}

function addressOf({ socket }: Request): string {
  return socket.remoteAddress ?? 'an unknown address';
}

function presentSession({ name, role, until }: Caller): SessionAnswer {
  return { name, role, expiresAt: until === null ? null : iso(until) };
}

function presentToken(token: AccessToken): TokenAnswer {
  return {
    name: token.name,
    role: token.role,
    createdAt: iso(token.createdAt),
    createdBy: token.createdBy,
    lastUsedAt: token.lastUsedAt === null ? null : iso(token.lastUsedAt),
    revokedAt: token.revokedAt === null ? null : iso(token.revokedAt),
  };
}
