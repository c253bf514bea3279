import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { type Accounts, createAccounts, sessionMs } from '../../src/admin/accounts.ts';
import { createAttempts, mostFailures } from '../../src/admin/attempts.ts';
import { createAuthenticate, createGuard, unguessable } from '../../src/admin/guard.ts';
import { problemHandler } from '../../src/admin/problems.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import { newLedger } from '../ledger/support.ts';
import { until } from '../support/wait.ts';

const minute = 60_000;

interface Desk {
  readonly accounts: Accounts;
  readonly ledger: Ledger;
  now: number;
}

/** Accounts over a real ledger, at a time of the test's own. */
async function desk(over: Partial<Ledger> = {}, fileToken = 'token-of-the-file'): Promise<Desk> {
  const { ledger } = await newLedger();
  const self = { now: 1_800_000_000_000 };
  const accounts = createAccounts({
    ledger: { ...ledger, ...over },
    fileToken,
    clock: () => self.now,
    log: silentLogger(),
  });
  return Object.assign(self, { accounts, ledger });
}

function made(accounts: Accounts, name: string): string {
  const created = accounts.createToken(name, 'view', 'admin');
  if (!created.ok) throw new Error(created.reason);
  return created.token;
}

function begun(accounts: Accounts, token: string): string {
  const caller = accounts.ofMadeToken(token) ?? accounts.ofFileToken(token);
  if (caller === null) throw new Error('the token is none');
  return accounts.signIn(caller, token, '127.0.0.1').cookie;
}

test('a session lasts for twelve hours after its last use, and no longer', async () => {
  const rig = await desk();
  const cookie = begun(rig.accounts, made(rig.accounts, 'a'));
  for (let hours = 0; hours < 40; hours += 10) {
    expect(rig.accounts.ofCookie(cookie)?.until).toBe(rig.now + sessionMs);
    rig.now += 10 * 60 * minute;
  }
  rig.now += 2 * 60 * minute;
  expect(rig.accounts.ofCookie(cookie)).toBeNull();
  expect(rig.ledger.dropSessions(rig.now)).toBe(1);
});

test('uses are written down at most once a minute', async () => {
  const rig = await desk();
  const token = made(rig.accounts, 'a');
  rig.accounts.ofMadeToken(token);
  const first = rig.now;
  const lastUsed = (): number | null | undefined => rig.ledger.token('a')?.lastUsedAt;
  for (; rig.now < first + minute; rig.now += 10_000) {
    rig.accounts.ofMadeToken(token);
    expect(lastUsed()).toBe(first);
  }
  rig.accounts.ofMadeToken(token);
  expect(lastUsed()).toBe(first + minute);
});

test('a token keeps a bounded number of sessions, each its own', async () => {
  const { accounts, ledger, now } = await desk();
  const token = made(accounts, 'a');
  const other = begun(accounts, made(accounts, 'b'));
  const file = begun(accounts, 'token-of-the-file');
  const cookies = Array.from({ length: 60 }, () => begun(accounts, token));
  expect(cookies.filter((cookie) => accounts.ofCookie(cookie) !== null)).toHaveLength(50);
  expect(accounts.ofCookie(other)?.name).toBe('b');
  expect(accounts.ofCookie(file)).toMatchObject({ name: 'admin', role: 'admin' });
  expect(ledger.dropSessions(now + sessionMs)).toBe(52);
});

test('on a full disk people are still let in', async () => {
  const full = (): never => {
    throw new LedgerError('full', 'no space');
  };
  const rig = await desk({ noteTokenUse: full, noteSessionUse: full });
  const token = made(rig.accounts, 'a');
  const cookie = begun(rig.accounts, token);
  rig.now += minute;
  expect(rig.accounts.ofMadeToken(token)?.name).toBe('a');
  expect(rig.accounts.ofCookie(cookie)?.name).toBe('a');
  rig.accounts.sweep();
});

test('without a ledger the token of the file still opens', async () => {
  const { accounts, ledger } = await desk();
  await ledger.close();
  expect(accounts.ofFileToken('token-of-the-file')?.role).toBe('admin');
  expect(accounts.ofFileToken('token-of-the-fil')).toBeNull();
  expect(() => createAccounts({ ledger, fileToken: ' ', clock: Date.now, log: silentLogger() })).toThrow(
    'empty',
  );
});

/** A server that answers every guarded GET with a stream that does not end. */
async function streaming(accounts: Accounts): Promise<string> {
  const app = express();
  app.use(createGuard(accounts, createAuthenticate(accounts, createAttempts())));
  app.get('/', (_request, response) => {
    response.write('begun\n');
  });
  app.use(problemHandler(silentLogger()));
  const server = createServer(app).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on no port');
  return `http://127.0.0.1:${address.port}/`;
}

/** Resolves when the stream has begun; `broken` when it has ended. */
async function opened(url: string, headers: Readonly<Record<string, string>>) {
  const reader = (await fetch(url, { headers })).body?.getReader();
  if (reader === undefined) throw new Error('there is no stream');
  await reader.read();
  const state = { broken: false };
  reader.read().then(
    () => (state.broken = true),
    () => (state.broken = true),
  );
  return state;
}

test('a stream ends with its token, or with its session, and no other with it', async () => {
  const { accounts } = await desk();
  const url = await streaming(accounts);
  const [leaver, stayer] = [made(accounts, 'leaver'), made(accounts, 'stayer')];
  const cookieOf = (token: string) => {
    const cookie = begun(accounts, token);
    return { cookie, headers: { cookie: `dde_session=${cookie}` } };
  };
  const [one, two, three] = [cookieOf(leaver), cookieOf(stayer), cookieOf(stayer)];
  const byToken = await opened(url, { authorization: `Bearer ${leaver}` });
  const bySession = await opened(url, one.headers);
  const signedOut = await opened(url, two.headers);
  const stays = await opened(url, three.headers);
  accounts.revokeToken('leaver', 'admin');
  await until(() => byToken.broken && bySession.broken, { what: 'the streams of the revoked token to end' });
  expect(signedOut.broken).toBe(false);
  const caller = accounts.ofCookie(two.cookie);
  if (caller === null) throw new Error('the session is none');
  accounts.signOut(caller, two.cookie);
  await until(() => signedOut.broken, { what: 'the stream of the session to end' });
  expect(stays.broken).toBe(false);
  expect((await fetch(url, { headers: one.headers })).status).toBeGreaterThanOrEqual(400);
});

test('a stream that is open is a use: whoever only looks stays signed in', async () => {
  const rig = await desk();
  const url = await streaming(rig.accounts);
  const [looking, idle] = [1, 2].map(() => begun(rig.accounts, 'token-of-the-file'));
  const stream = await opened(url, { cookie: `dde_session=${looking}` });
  for (let hours = 0; hours < 30; hours += 1) {
    rig.now += 60 * minute;
    rig.accounts.sweep();
  }
  expect(stream.broken).toBe(false);
  expect(rig.accounts.ofCookie(looking ?? '')?.name).toBe('admin');
  expect(rig.accounts.ofCookie(idle ?? '')).toBeNull();
});

test('wrong tokens from an address keep nobody out who has a token that cannot be guessed', async () => {
  const long = 'x'.repeat(unguessable);
  for (const [fileToken, status] of [
    [long, 200],
    [long.slice(1), 429],
  ] as const) {
    const { accounts } = await desk({}, fileToken);
    const url = await streaming(accounts);
    const ask = async (token: string): Promise<number> => {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
      await answer.body?.cancel();
      return answer.status;
    };
    for (let guess = 0; guess < mostFailures; guess++) expect(await ask('guess')).toBe(401);
    expect(await ask('guess')).toBe(429);
    expect(await ask(fileToken)).toBe(status);
  }
});
