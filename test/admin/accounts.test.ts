import BetterSqlite3 from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createdTokenAnswer, sessionAnswer, tokenAnswer } from '../../src/admin/account-schemas.ts';
import { mostFailures } from '../../src/admin/attempts.ts';
import { auditAnswer } from '../../src/admin/failover-schemas.ts';
import { listOf, pageOf, problemAnswer } from '../../src/admin/schemas.ts';
import { type Role, roles } from '../../src/study.ts';
import { type Farm, startFarm } from '../support/farm.ts';

let farm: Farm;
const tokens = new Map<Role, string>();

beforeAll(async () => {
  farm = await startFarm({ backends: 1 });
  for (const role of roles) tokens.set(role, await created(`${role}-er`, role));
}, 60_000);
afterAll(async () => farm?.stop());

interface Asked {
  readonly method?: string;
  readonly token?: string;
  readonly cookie?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

function ask(path: string, { method = 'GET', token, cookie, headers, body }: Asked = {}): Promise<Response> {
  return fetch(`${farm.service.url}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(cookie === undefined ? {} : { cookie }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
}

const asAdmin = (path: string, more: Asked = {}): Promise<Response> =>
  ask(path, { token: farm.service.token, ...more });

async function created(name: string, role: Role): Promise<string> {
  const answer = await asAdmin('/api/v1/tokens', { method: 'POST', body: { name, role } });
  expect(answer.status).toBe(200);
  return createdTokenAnswer.parse(await answer.json()).token;
}

/** The cookie of a session, as it is sent back. */
async function signedIn(token: string): Promise<string> {
  const answer = await ask('/api/v1/session', { method: 'POST', body: { token } });
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
  return (answer.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? '';
}

async function codeOf(answer: Response): Promise<string> {
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return problemAnswer.parse(await answer.json()).type.replace('urn:dde:problem:', '');
}

async function statusOf(asked: Promise<Response>): Promise<number> {
  const answer = await asked;
  await answer.body?.cancel();
  return answer.status;
}

async function audited(): Promise<readonly (readonly [string, string, string])[]> {
  const answer = await asAdmin('/api/v1/audit?limit=100');
  const { items } = pageOf(auditAnswer).parse(await answer.json());
  return items.map(({ who, action, target }) => [who, action, target] as const);
}

const described = z.object({
  paths: z.record(
    z.string(),
    z.record(z.string(), z.object({ 'x-role': z.enum(roles).optional(), description: z.string() })),
  ),
});

interface Described {
  readonly method: string;
  readonly path: string;
  readonly role: Role | null;
}

async function allRoutes(): Promise<readonly Described[]> {
  const { paths } = described.parse(await (await ask('/openapi.json')).json());
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { 'x-role': role }]) => ({
      method: method.toUpperCase(),
      path,
      role: role ?? null,
    })),
  );
}

describe('roles', () => {
  test('every route lets in who may, and nobody else', async () => {
    const routes = await allRoutes();
    expect(routes.length).toBeGreaterThan(30);
    expect(routes.filter(({ role }) => role === null)).toEqual([
      { method: 'POST', path: '/api/v1/session', role: null },
    ]);
    const wrong: string[] = [];
    for (const { method, path, role: needed } of routes) {
      if (needed === null) continue;
      // Of nothing that is there: what is let in shall change nothing.
      const asked = path.replaceAll(/\{[^}]+\}/g, 'none');
      const body = method === 'GET' || method === 'DELETE' ? {} : { body: {} };
      for (const role of roles) {
        const token = tokens.get(role) ?? '';
        const answer = await ask(asked, { method, token, ...body });
        const refused = answer.status === 403;
        if (refused) expect(await codeOf(answer)).toBe('not-allowed');
        else await answer.body?.cancel();
        const expected = roles.indexOf(role) < roles.indexOf(needed);
        if (refused !== expected || answer.status === 401) {
          wrong.push(`${role} ${method} ${path} (needs ${needed}): ${answer.status}`);
        }
      }
      const nobody = await statusOf(ask(asked, { method, ...body }));
      if (nobody !== 401) wrong.push(`nobody ${method} ${path}: ${nobody}`);
    }
    expect(wrong).toEqual([]);
  });

  test('what takes something away for good, or out of the farm, is not for everybody', async () => {
    const needed = new Map((await allRoutes()).map(({ method, path, role }) => [`${method} ${path}`, role]));
    expect(
      [
        'GET /api/v1/backup',
        'GET /api/v1/tokens',
        'POST /api/v1/tokens',
        'DELETE /api/v1/tokens/{name}',
        'POST /api/v1/quarantine/{front}/{id}/discard',
        'GET /api/v1/quarantine/{front}/{id}/file',
        'POST /api/v1/instances',
        'PATCH /api/v1/backends/{name}',
        'GET /api/v1/studies',
      ].map((route) => needed.get(route)),
    ).toEqual(['admin', 'admin', 'admin', 'admin', 'admin', 'operate', 'operate', 'operate', 'view']);
    expect([...needed].filter(([route, role]) => !route.startsWith('GET ') && role === 'view')).toEqual([
      ['DELETE /api/v1/session', 'view'],
    ]);
  });

  test('metrics are for every role', async () => {
    for (const role of roles)
      expect(await statusOf(ask('/metrics', { token: tokens.get(role) ?? '' }))).toBe(200);
    expect(await statusOf(ask('/metrics'))).toBe(401);
  });
});

describe('tokens', () => {
  test('are shown once, kept as a hash, and do what was done by their name', async () => {
    const token = await created('night-shift', 'operate');
    expect(token).toMatch(/^dde_[\w-]{43}$/);
    const patched = await ask('/api/v1/backends/orthanc1', {
      method: 'PATCH',
      token,
      body: { weight: 2 },
    });
    expect(patched.status).toBe(200);
    await patched.arrayBuffer();
    expect(await audited()).toEqual(
      expect.arrayContaining([
        ['night-shift', 'backend-set', 'orthanc1'],
        ['admin', 'token-create', 'night-shift'],
      ]),
    );
    const list = listOf(tokenAnswer).parse(await (await asAdmin('/api/v1/tokens')).json());
    expect(list.items.find(({ name }) => name === 'night-shift')).toMatchObject({
      role: 'operate',
      createdBy: 'admin',
      lastUsedAt: expect.any(String),
      revokedAt: null,
    });
    const eye = new BetterSqlite3(`${farm.home}/ledger.sqlite`, { readonly: true });
    try {
      const kept = JSON.stringify([
        eye.prepare('SELECT * FROM tokens').all(),
        eye.prepare('SELECT * FROM sessions').all(),
      ]);
      for (const secret of [token, ...tokens.values(), farm.service.token])
        expect(kept).not.toContain(secret);
    } finally {
      eye.close();
    }
    expect(farm.service.log()).not.toContain(token);
  });

  test('a name is one token for ever, whatever its capitals', async () => {
    await created('once', 'view');
    for (const name of ['once', 'ONCE', 'admin', 'service']) {
      const again = await asAdmin('/api/v1/tokens', { method: 'POST', body: { name, role: 'view' } });
      expect(again.status).toBe(409);
      expect(await codeOf(again)).toBe('name-taken');
    }
    expect(await statusOf(asAdmin('/api/v1/tokens/once', { method: 'DELETE' }))).toBe(200);
    expect(
      await statusOf(asAdmin('/api/v1/tokens', { method: 'POST', body: { name: 'once', role: 'view' } })),
    ).toBe(409);
    for (const name of ['', 'a b', '.', 'x'.repeat(64)]) {
      expect(
        await statusOf(asAdmin('/api/v1/tokens', { method: 'POST', body: { name, role: 'view' } })),
      ).toBe(400);
    }
    expect(await codeOf(await asAdmin('/api/v1/tokens/nobody', { method: 'DELETE' }))).toBe('unknown-token');
  });

  test('one that is revoked is none at once, with its sessions and what is being answered to them', async () => {
    const token = await created('leaver', 'operate');
    const cookie = await signedIn(token);
    expect(await statusOf(ask('/api/v1/queue', { token }))).toBe(200);
    expect(await statusOf(ask('/api/v1/queue', { cookie }))).toBe(200);
    expect(await statusOf(asAdmin('/api/v1/tokens/leaver', { method: 'DELETE' }))).toBe(200);
    // Asking twice is no mistake.
    expect(await statusOf(asAdmin('/api/v1/tokens/leaver', { method: 'DELETE' }))).toBe(200);
    expect(await statusOf(ask('/api/v1/queue', { token }))).toBe(401);
    expect(await statusOf(ask('/api/v1/queue', { cookie }))).toBe(401);
    expect((await audited()).filter(([, action]) => action === 'token-revoke')).toContainEqual([
      'admin',
      'token-revoke',
      'leaver',
    ]);
  });
});

describe('sessions', () => {
  test('say who they are, and their cookie is out of reach of scripts and other sites', async () => {
    const token = tokens.get('operate') ?? '';
    const answer = await ask('/api/v1/session', { method: 'POST', body: { token } });
    const session = sessionAnswer.parse(await answer.json());
    expect(session).toMatchObject({ name: 'operate-er', role: 'operate' });
    const inHours = (Date.parse(session.expiresAt ?? '') - Date.now()) / 3_600_000;
    expect(inHours).toBeGreaterThan(11.9);
    expect(inHours).toBeLessThanOrEqual(12);
    const set = answer.headers.get('set-cookie') ?? '';
    expect(set).toMatch(/^dde_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    const cookie = set.split(';', 1)[0] ?? '';
    expect(await (await ask('/api/v1/session', { cookie })).json()).toEqual(session);
    expect(await (await ask('/api/v1/session', { token })).json()).toMatchObject({
      name: 'operate-er',
      expiresAt: null,
    });
    expect(await statusOf(ask('/api/v1/session'))).toBe(401);
  });

  test('have the role of their token', async () => {
    const cookie = await signedIn(tokens.get('view') ?? '');
    const body = { weight: 1 };
    const answer = await ask('/api/v1/backends/orthanc1', {
      method: 'PATCH',
      cookie,
      body,
      headers: { 'X-DDE-Request': '1' },
    });
    expect(answer.status).toBe(403);
    expect(await codeOf(answer)).toBe('not-allowed');
  });

  test('outlive a restart and a kill, and end with the sign-out', async () => {
    const cookies = [await signedIn(farm.service.token), await signedIn(tokens.get('view') ?? '')];
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await farm.service.kill(signal);
      await farm.service.start();
      for (const cookie of cookies) expect(await statusOf(ask('/api/v1/session', { cookie }))).toBe(200);
    }
    for (const cookie of cookies) {
      const headers = { 'X-DDE-Request': '1' };
      const out = await ask('/api/v1/session', { method: 'DELETE', cookie, headers });
      expect(out.status).toBe(200);
      expect(out.headers.get('set-cookie')).toMatch(/^dde_session=; Path=\/; Expires=Thu, 01 Jan 1970/);
      expect(await out.json()).toEqual({ signedOut: true });
      expect(await statusOf(ask('/api/v1/session', { cookie }))).toBe(401);
    }
    expect(await (await asAdmin('/api/v1/session', { method: 'DELETE' })).json()).toEqual({
      signedOut: false,
    });
  });

  test('change nothing for another site, which cannot send the header', async () => {
    const cookie = await signedIn(tokens.get('operate') ?? '');
    const patch = (headers: Readonly<Record<string, string>>): Promise<Response> =>
      ask('/api/v1/backends/orthanc1', { method: 'PATCH', cookie, body: { weight: 1 }, headers });
    for (const headers of [
      {},
      { 'X-DDE-Request': '0' },
      { 'X-DDE-Request': '1', 'Sec-Fetch-Site': 'cross-site' },
      // Another port of this host, such as an Orthanc's own pages.
      { 'X-DDE-Request': '1', 'Sec-Fetch-Site': 'same-site' },
    ] as Readonly<Record<string, string>>[]) {
      const answer = await patch(headers);
      expect(answer.status).toBe(403);
      expect(await codeOf(answer)).toBe('cross-site');
    }
    expect(await statusOf(patch({ 'X-DDE-Request': '1' }))).toBe(200);
    expect(await statusOf(patch({ 'X-DDE-Request': '1', 'Sec-Fetch-Site': 'same-origin' }))).toBe(200);
    const elsewhere = await ask('/api/v1/session', {
      method: 'POST',
      body: { token: tokens.get('view') },
      headers: { 'Sec-Fetch-Site': 'cross-site' },
    });
    expect(await codeOf(elsewhere)).toBe('cross-site');
  });

  test('nobody is asked across origins: no answer permits it', async () => {
    const answer = await ask('/api/v1/backends/orthanc1', {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://evil.example',
        'Access-Control-Request-Method': 'PATCH',
        'Access-Control-Request-Headers': 'x-dde-request',
      },
    });
    await answer.arrayBuffer();
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(answer.headers.get('access-control-allow-headers')).toBeNull();
  });
});

describe('the headers of every answer', () => {
  test('allow nothing from elsewhere and nothing inline, and say nothing about TLS where there is none', async () => {
    for (const path of ['/', '/openapi.json', '/api/v1/queue']) {
      const { headers, body } = await ask(path);
      await body?.cancel();
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      expect(headers.get('strict-transport-security')).toBeNull();
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });
});

/** Last: it uses up what this address has. */
describe('wrong tokens', () => {
  test('a wrong body is no attempt, and a wrong token is said to be one', async () => {
    for (const body of [{}, { token: '' }, { token: 1 }, { token: 'x', more: 1 }])
      expect(await statusOf(ask('/api/v1/session', { method: 'POST', body }))).toBe(400);
    expect(await statusOf(ask('/api/v1/session', { method: 'POST' }))).toBe(415);
    const answer = await ask('/api/v1/session', { method: 'POST', body: { token: 'guess-0' } });
    expect(answer.status).toBe(401);
    expect(await codeOf(answer)).toBe('unauthorized');
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(farm.service.log()).not.toContain('guess-0');
  });

  test('many of them close the door for guessing, and not for those who have a token of their own', async () => {
    let refused = 0;
    for (let guess = 0; guess < mostFailures; guess += 1) {
      const status = await statusOf(
        guess % 2 === 0
          ? ask('/api/v1/session', { method: 'POST', body: { token: `guess-${guess}` } })
          : ask('/api/v1/queue', { token: `guess-${guess}` }),
      );
      expect([401, 429]).toContain(status);
      if (status === 429) refused += 1;
    }
    expect(refused).toBeLessThan(mostFailures / 2);
    for (const asked of [
      ask('/api/v1/session', { method: 'POST', body: { token: farm.service.token } }),
      asAdmin('/api/v1/queue'),
    ]) {
      const answer = await asked;
      expect(answer.status).toBe(429);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await codeOf(answer)).toBe('too-many-attempts');
    }
    expect(await statusOf(ask('/api/v1/queue', { token: tokens.get('admin') ?? '' }))).toBe(200);
    const cookie = await signedIn(tokens.get('view') ?? '');
    expect(await statusOf(ask('/api/v1/queue', { cookie }))).toBe(200);
  });

  test('another token of the file ends the sessions of the former one, and no others', async () => {
    await farm.service.kill('SIGTERM');
    await farm.service.start();
    const [ofFile, ofToken] = [await signedIn(farm.service.token), await signedIn(tokens.get('view') ?? '')];
    await farm.service.kill('SIGTERM');
    await farm.service.start({ DDE_ADMIN_TOKEN: 'another-token-of-this-farm' });
    expect(await statusOf(ask('/api/v1/session', { cookie: ofFile }))).toBe(401);
    expect(await statusOf(ask('/api/v1/session', { cookie: ofToken }))).toBe(200);
    await farm.service.kill('SIGTERM');
    await farm.service.start();
    expect(await statusOf(ask('/api/v1/session', { cookie: ofFile }))).toBe(200);
  });
});
