import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Logger } from 'winston';
import { realTimers, type Timers } from '../backends/timers.ts';
import type { AccountLedger } from '../ledger/accounts.ts';
import { type FailoverLedger, LedgerError } from '../ledger/ledger.ts';
import type { AccessToken, Clock, EpochMs, Role } from '../study.ts';
import { UnderWay } from './under-way.ts';

/** A session that is not used for so long is over. */
export const sessionMs = 12 * 3_600_000;
/** Uses are written down at most this often: a dashboard asks every second. */
const noteMs = 60_000;
const sweepMs = 60_000;
/** Of one token. A script that signs in each time it runs must not fill the ledger. */
const mostSessions = 50;
/** The token of the file, in the audit trail. */
export const fileTokenName = 'admin';
/** Names that the audit trail has for something else. */
const reservedNames: ReadonlySet<string> = new Set([fileTokenName, 'service']);

/** Who asks, for the audit trail, and what they may. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
  /** When the session ends unless it is used; null: asked with a token. */
  readonly until: EpochMs | null;
}

/** Somebody who was let in by a cookie. */
export interface SessionCaller extends Caller {
  readonly until: EpochMs;
}

export type Created =
  | { readonly ok: true; readonly token: string; readonly info: AccessToken }
  | { readonly ok: false; readonly reason: 'taken' | 'reserved' };

/** Tokens and sessions: who is whom, and what they may. */
export interface Accounts {
  /** Whose token this is among those in the ledger. They are too long to be guessed, so nobody has to count attempts. */
  ofMadeToken(token: string): Caller | null;
  /** Whether it has the form of one of those, whoever's. */
  isMadeToken(token: string): boolean;
  /** The same for the token of the file, which a person may have chosen; needs no ledger. */
  ofFileToken(token: string): Caller | null;
  ofCookie(cookie: string): SessionCaller | null;
  /** Begins a session for whom this token is; its cookie is told once. @throws LedgerError */
  signIn(caller: Caller, token: string, from: string): { readonly cookie: string; readonly until: EpochMs };
  /** @throws LedgerError */
  signOut(caller: Caller, cookie: string): void;
  /** The token is told once. @throws LedgerError */
  createToken(name: string, role: Role, who: string): Created;
  /** Ends its sessions, and what is still being answered to it. Null: there is no such token. @throws LedgerError */
  revokeToken(name: string, who: string): AccessToken | null;
  tokens(): readonly AccessToken[];
  readonly underWay: UnderWay;
  /** Keys for `underWay` of who asks so. */
  keysOf(caller: Caller, cookie: string | null): readonly string[];
  /** Lets go of sessions that are over. One whose answer is still being given is in use. */
  sweep(): void;
  start(): void;
  stop(): void;
}

export interface AccountsOptions {
  readonly ledger: AccountLedger & Pick<FailoverLedger, 'audit'>;
  /** Who has it is `admin`; it is in no ledger, so it works whatever became of that. */
  readonly fileToken: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timers?: Timers;
}

/** @throws Error when the file's token is empty: an empty token would let everybody in */
export function createAccounts(options: AccountsOptions): Accounts {
  const { ledger, fileToken, clock, log, timers = realTimers } = options;
  if (fileToken.trim() === '') throw new Error('the admin token is empty');
  const fileDigest = digest(fileToken);
  const underWay = new UnderWay();
  let stopSweeping: (() => void) | null = null;

  /** That somebody was here is worth no failure: on a full disk people must still be able to look. */
  function note(what: () => void): void {
    try {
      what();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.debug('the use of a token or session was not noted', { code: error.code });
    }
  }

  function ofMadeToken(token: string): Caller | null {
    if (!madeToken.test(token)) return null;
    const found = ledger.tokenOf(hex(token));
    if (found === null) return null;
    const now = clock();
    if (found.lastUsedAt === null || now - found.lastUsedAt >= noteMs)
      note(() => ledger.noteTokenUse(found.name, now));
    return { name: found.name, role: found.role, until: null };
  }

  function ofCookie(cookie: string): SessionCaller | null {
    if (!cookieShape.test(cookie)) return null;
    const now = clock();
    const hash = hex(cookie);
    const session = ledger.session(hash, now);
    if (session === null) return null;
    // The token of the file is another one since: whoever signed in with the former has to show the new one.
    if (session.token === null && !isSame(session.seal ?? '', sealOf(cookie))) return null;
    const { name, role } = session.token ?? { name: fileTokenName, role: 'admin' as const };
    if (now - session.lastSeenAt < noteMs) return { name, role, until: session.expiresAt };
    const until = now + sessionMs;
    note(() => {
      ledger.noteSessionUse(hash, until, now);
      if (session.token !== null) ledger.noteTokenUse(name, now);
    });
    return { name, role, until };
  }

  /**
   * Which token of the file a session was begun with, said so that nobody can try out tokens on it who has only the ledger: a person
   * may have chosen that token, and the cookie it is made with is kept nowhere.
   */
  function sealOf(cookie: string): string {
    return createHmac('sha256', cookie).update(fileToken, 'utf8').digest('hex');
  }

  function sweep(): void {
    const now = clock();
    note(() => {
      for (const hash of underWay.keys('session')) ledger.noteSessionUse(hash, now + sessionMs, now);
      ledger.dropSessions(now);
    });
  }

  return {
    ofMadeToken,
    isMadeToken: (token) => madeToken.test(token),
    ofFileToken: (token) =>
      timingSafeEqual(digest(token), fileDigest) ? { name: fileTokenName, role: 'admin', until: null } : null,
    ofCookie,
    signIn(caller, token, from) {
      const now = clock();
      const cookie = randomBytes(32).toString('base64url');
      const until = now + sessionMs;
      const isFileToken = timingSafeEqual(digest(token), fileDigest);
      ledger.audit({
        at: now,
        who: caller.name,
        action: 'sign-in',
        target: caller.name,
        detail: `from ${from}`,
      });
      ledger.startSession(
        {
          hash: hex(cookie),
          token: isFileToken ? null : caller.name,
          seal: isFileToken ? sealOf(cookie) : null,
          expiresAt: until,
        },
        now,
        mostSessions,
      );
      return { cookie, until };
    },
    signOut({ name }, cookie) {
      const hash = hex(cookie);
      ledger.audit({ at: clock(), who: name, action: 'sign-out', target: name, detail: 'session ended' });
      ledger.endSession(hash);
      underWay.end('session', hash);
    },
    createToken(name, role, who) {
      if (reservedNames.has(name.toLowerCase())) return { ok: false, reason: 'reserved' };
      if (ledger.token(name) !== null) return { ok: false, reason: 'taken' };
      const now = clock();
      const token = `dde_${randomBytes(32).toString('base64url')}`;
      ledger.audit({ at: now, who, action: 'token-create', target: name, detail: `role ${role}` });
      const info = ledger.createToken({ name, role, hash: hex(token), createdBy: who }, now);
      if (info === null) return { ok: false, reason: 'taken' };
      log.info('token created', { token: info.name, role, who });
      return { ok: true, token, info };
    },
    revokeToken(name, who) {
      const found = ledger.token(name);
      if (found === null || found.revokedAt !== null) return found;
      const now = clock();
      ledger.audit({
        at: now,
        who,
        action: 'token-revoke',
        target: found.name,
        detail: `role ${found.role}`,
      });
      const revoked = ledger.revokeToken(found.name, now);
      underWay.end('token', found.name);
      log.info('token revoked', { token: found.name, who });
      return revoked;
    },
    tokens: () => ledger.tokens(),
    underWay,
    keysOf: ({ name }, cookie) => [
      UnderWay.key('token', name),
      ...(cookie === null ? [] : [UnderWay.key('session', hex(cookie))]),
    ],
    sweep,
    start() {
      stopSweeping ??= timers.every(sweepMs, sweep);
    },
    stop() {
      stopSweeping?.();
      stopSweeping = null;
    },
  };
}

/** 256 random bits behind a mark by which people, and programs that look for leaked secrets, know what it is. */
const madeToken = /^dde_[\w-]{43}$/;
const cookieShape = /^[\w-]{43}$/;

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

function hex(text: string): string {
  return digest(text).toString('hex');
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}
