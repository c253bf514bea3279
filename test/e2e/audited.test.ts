import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { countInstances, type Farm, startFarm } from '../support/farm.ts';
import { makeStudy, withOtherContent } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { otherThan, send, sendThrough } from './failover-farm.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/*
 * Nothing that a person does changes anything unless the audit trail says so: while the ledger refuses the entry, nothing is done. An
 * entry that were written after its change could be lost to a kill in between; here that would show as a change without one.
 */

interface Step {
  /** As the audit trail has it. */
  readonly action: string;
  readonly method: string;
  /** As in the OpenAPI document. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What a person may ask for that changes nothing here: an image handed in is what a modality sends too, and is traced as such. */
const withoutEntry = [
  'POST /api/v1/instances',
  'POST /api/v1/backends/{name}/echo',
  'POST /api/v1/simulations',
  'DELETE /api/v1/simulations/{id}',
];

let farm: Farm;
let steps: readonly Step[];
let madeToken: string;

async function ask({ method, path, params = {}, body }: Step): Promise<Response> {
  const address = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  return await farm.service.request(address, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function done(step: Omit<Step, 'action'>): Promise<Response> {
  const answer = await ask({ ...step, action: '' });
  if (!answer.ok) throw new Error(`${step.method} ${step.path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

function inLedger<T>(run: (ledger: InstanceType<typeof BetterSqlite3>) => T): T {
  const ledger = new BetterSqlite3(join(farm.home, 'ledger.sqlite'));
  try {
    return run(ledger);
  } finally {
    ledger.close();
  }
}

/** Everything a person can change. */
async function everything(): Promise<unknown> {
  const rows = inLedger((ledger) =>
    [
      'SELECT uid, state FROM studies ORDER BY id',
      'SELECT orthanc_id, state, discarded FROM instances ORDER BY id',
      'SELECT study, copy, epoch, backend, ended_at FROM assignments ORDER BY study, epoch',
      'SELECT id, kind, backend FROM decisions ORDER BY id',
      'SELECT study, backend, state FROM former_copies ORDER BY id',
      'SELECT backend, state, target FROM evacuations ORDER BY backend',
      'SELECT * FROM backends ORDER BY name',
      'SELECT name, role, revoked_at FROM tokens ORDER BY name',
      'SELECT count(*) FROM sessions',
      'SELECT count(*) FROM audit',
    ].map((sql) => ledger.prepare(sql).all()),
  );
  const orthancs = [farm.front, ...farm.backends.values()];
  return {
    rows,
    topology: readFileSync(join(farm.folder, 'orthanc-config', 'topology.yaml'), 'utf8'),
    log: await farm.service.get('/api/v1/log-level'),
    images: await Promise.all(orthancs.map(countInstances)),
  };
}

beforeAll(async () => {
  // Less than a second would not do: for so long a front takes an image that is sent again for one that is just being stored.
  farm = await startFarm({ backends: 3, settle: '1 s' });
  const backend = { path: '/api/v1/backends/{name}', params: { name: 'orthanc3' } };
  await done({ ...backend, method: 'PATCH', body: { state: 'maint' } });
  // It waits for the backend to come back from maintenance, so it can be stopped.
  await done({ ...backend, method: 'POST', path: '/api/v1/backends/{name}/evacuation' });

  const disputed = makeStudy({ instances: 2 });
  const at = await sendThrough(farm, disputed);
  const to = otherThan(at);
  const [first] = disputed.instances;
  if (first === undefined) throw new Error('the study has instances');
  const other = new Uint8Array(withOtherContent(first).file);
  await farm.backend(to).fetch('/instances', { method: 'POST', body: other });
  const uid = disputed.studyUid;
  await done({
    method: 'POST',
    path: '/api/v1/studies/{uid}/rebind',
    params: { uid },
    body: { backend: to },
  });

  const study = makeStudy({ instances: 4 });
  const there = await sendThrough(farm, study);
  await send(farm, study.instances.slice(1).map(withOtherContent));
  await until(
    async () => {
      const { items } = await farm.service.get<{ items: unknown[] }>('/api/v1/quarantine');
      const formers = await farm.service.get<{ items: { state: string }[] }>('/api/v1/former-copies');
      return items.length === 3 && formers.items[0]?.state === 'conflict';
    },
    { what: 'three images in quarantine, and a conflict' },
  );
  const token = await done({ method: 'POST', path: '/api/v1/tokens', body: { name: 'old', role: 'view' } });
  madeToken = ((await token.json()) as { token: string }).token;

  const held = (index: number) => ({ front: 'front', id: study.instances[index]?.orthancId ?? '' });
  const studyParams = { uid: study.studyUid };
  const two = { name: 'orthanc2' };
  const three = { name: 'orthanc3' };
  const file = '/api/v1/quarantine/{front}/{id}';
  steps = [
    { action: 'backend-set', method: 'PATCH', path: backend.path, params: two, body: { weight: 0.5 } },
    { action: 'backend-change', method: 'PUT', path: backend.path, params: two, body: { lanes: 3 } },
    {
      action: 'backend-add',
      method: 'POST',
      path: '/api/v1/backends',
      body: { name: 'orthanc9', url: 'http://127.0.0.1:9', password: 'x' },
    },
    { action: 'routing-set', method: 'PATCH', path: '/api/v1/routing', body: { policy: 'round-robin' } },
    { action: 'log-level', method: 'PUT', path: '/api/v1/log-level', body: { level: 'info' } },
    { action: 'reconcile', method: 'POST', path: '/api/v1/reconcile' },
    { action: 'backup', method: 'GET', path: '/api/v1/backup' },
    {
      action: 'accept-current',
      method: 'POST',
      path: '/api/v1/studies/{uid}/accept-current',
      params: { uid },
      body: { backend: at },
    },
    { action: 'quarantine-download', method: 'GET', path: `${file}/file`, params: held(1) },
    {
      action: 'quarantine-release',
      method: 'POST',
      path: `${file}/release`,
      params: held(1),
      body: { backend: there, replace: true },
    },
    {
      action: 'quarantine-discard',
      method: 'POST',
      path: `${file}/discard`,
      params: held(2),
      body: { confirm: true },
    },
    {
      action: 'quarantine-retry',
      method: 'POST',
      path: '/api/v1/quarantine/retry',
      body: { study: study.studyUid, instance: held(3).id },
    },
    {
      action: 'rebind',
      method: 'POST',
      path: '/api/v1/studies/{uid}/rebind',
      params: studyParams,
      body: { backend: otherThan(there) },
    },
    { action: 'evacuate-cancel', method: 'DELETE', path: `${backend.path}/evacuation`, params: three },
    { action: 'evacuate', method: 'POST', path: `${backend.path}/evacuation`, params: { name: 'orthanc1' } },
    {
      action: 'backend-remove',
      method: 'DELETE',
      path: backend.path,
      params: three,
      body: { confirm: true },
    },
    {
      action: 'token-create',
      method: 'POST',
      path: '/api/v1/tokens',
      body: { name: 'new', role: 'operate' },
    },
    { action: 'token-revoke', method: 'DELETE', path: '/api/v1/tokens/{name}', params: { name: 'old' } },
    { action: 'sign-in', method: 'POST', path: '/api/v1/session', body: { token: farm.service.token } },
  ];
});
afterAll(() => farm?.stop());

/** Signs out by cookie, which is what a browser does. */
const signOut = (cookie: string): Promise<Response> =>
  fetch(`${farm.service.url}/api/v1/session`, {
    method: 'DELETE',
    headers: { cookie, 'x-dde-request': '1' },
  });

async function signIn(token: string): Promise<string> {
  const answer = await done({ method: 'POST', path: '/api/v1/session', body: { token } });
  return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
}

test('nothing is done while the audit trail cannot be written, and all of it with an entry once it can', async () => {
  const cookie = await signIn(madeToken);
  inLedger((ledger) =>
    ledger.exec(
      `CREATE TRIGGER no_entry BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no entry now'); END`,
    ),
  );
  const before = await everything();
  for (const step of steps) {
    const problem: unknown = await (await ask(step)).json();
    expect({ [step.action]: problem }).toMatchObject({
      [step.action]: { status: 500, type: 'urn:dde:problem:ledger-failed' },
    });
    expect({ [step.action]: await everything() }).toEqual({ [step.action]: before });
  }
  expect((await signOut(cookie)).status).toBe(500);
  expect(await everything()).toEqual(before);

  inLedger((ledger) => ledger.exec('DROP TRIGGER no_entry'));
  const latest = async (): Promise<string | undefined> =>
    (await farm.service.get<{ items: { action: string }[] }>('/api/v1/audit?limit=1')).items[0]?.action;
  expect((await signOut(cookie)).ok).toBe(true);
  expect(await latest()).toBe('sign-out');
  for (const step of steps) {
    await (await done(step)).arrayBuffer();
    expect(await latest()).toBe(step.action);
  }
});

test('there is no other way to change anything by the API', async () => {
  const { paths } = await farm.service.get<{ paths: Record<string, Record<string, unknown>> }>(
    '/openapi.json',
  );
  const offered = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => ['post', 'put', 'patch', 'delete'].includes(method))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const tried = steps.map(({ method, path }) => `${method} ${path}`).filter((one) => !one.startsWith('GET'));
  expect([...tried, ...withoutEntry, 'DELETE /api/v1/session'].toSorted()).toEqual(offered.toSorted());
});
