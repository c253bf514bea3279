import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { generateFiles } from '../../src/generate/generate.ts';
import { staleFiles } from '../../src/generate/write.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { type Farm, frontsEmpty, startFarm, studiesOn } from '../support/farm.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeStudy, type SyntheticStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';
import { send, sendThrough, studyNow } from './failover-farm.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let farm: Farm;
let third: OrthancProcess;
let proxy: FaultProxy;
/** Stays on a backend that leaves. */
let left: SyntheticStudy;
const sent: SyntheticStudy[] = [];

const topologyFile = (): string => join(farm.folder, 'orthanc-config', 'topology.yaml');
const yaml = (): string => readFileSync(topologyFile(), 'utf8');

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> {
  const answer = await farm.service.request(`/api/v1${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json()) as Record<string, unknown>,
  };
}

async function peersOf(front: OrthancProcess): Promise<Record<string, { Url: string }>> {
  return (await (await front.fetch('/peers?expand')).json()) as Record<string, { Url: string }>;
}

async function putPeer(name: string, url: string): Promise<void> {
  const answer = await farm.front.fetch(`/peers/${name}`, {
    method: 'PUT',
    body: JSON.stringify({ Url: url }),
  });
  expect(answer.status).toBe(200);
}

const peerLeadsTo = (name: string, url: string | null) =>
  until(async () => ((await peersOf(farm.front))[name]?.Url ?? null) === (url === null ? null : `${url}/`), {
    what: `the front's peer ${name} to lead to ${url}`,
    timeoutMs: 15_000,
  });

const isUp = (name: string) =>
  until(
    async () => {
      const { body } = await ask('GET', `/backends/${name}`);
      return body['health'] === 'up';
    },
    { what: `${name} to be up` },
  );

/** New studies go to these alone. */
async function only(...names: readonly string[]): Promise<void> {
  const { items } = await farm.service.get<{ items: { name: string }[] }>('/api/v1/backends');
  for (const { name } of items)
    await ask('PATCH', `/backends/${name}`, { state: names.includes(name) ? 'ready' : 'drain' });
}

async function study(seed: string): Promise<SyntheticStudy> {
  const made = makeStudy({ seed, instances: 4 });
  sent.push(made);
  return made;
}

/** The generated files, as `dde generate --check` looks at them. */
function stale(): readonly string[] {
  const env = { DDE_FRONT_PASSWORD: 'x', DDE_LUA: join(farm.folder, 'lua') };
  return staleFiles(farm.folder, generateFiles(loadTopology(topologyFile(), env, 'generate')));
}

beforeAll(async () => {
  farm = await startFarm({
    settle: '1 s',
    routing: { policy: 'least-in-flight', healAfter: '2 s' },
    history: { sample: '500 ms' },
  });
  third = await startOrthanc({ name: 'orthanc3', password: 'a password of its own' });
  proxy = await startProxy({ target: third.httpPort });
});
afterAll(async () => {
  await farm?.stop();
  await third?.stop();
  await proxy?.close();
});

test('a backend that is added takes studies, with its password nowhere but in a file of its own', async () => {
  const before = yaml();
  const { status, body } = await ask('POST', '/backends', {
    name: 'orthanc3',
    url: third.url,
    password: third.password,
    weight: 2,
    disk: 2_000_000_000_000,
  });
  expect({ status, body }).toMatchObject({
    status: 200,
    body: { name: 'orthanc3', url: third.url, weight: 2, peers: [{ front: 'front', ok: true }] },
  });
  expect(yaml().startsWith(before.slice(0, before.indexOf('routing:')).trimEnd())).toBe(true);
  expect(yaml()).not.toContain(third.password);
  const [secret = ''] = readdirSync(join(farm.home, 'secrets'));
  expect(statSync(join(farm.home, 'secrets', secret)).mode & 0o777).toBe(0o600);
  expect(stale()).toEqual([]);
  await isUp('orthanc3');
  await only('orthanc3');
  expect(await sendThrough(farm, await study('added'))).toBe('orthanc3');
  const { items } = await farm.service.get<{ items: { action: string; target: string; detail: string }[] }>(
    '/api/v1/audit',
  );
  expect(items.find(({ action }) => action === 'backend-add')).toMatchObject({
    target: 'orthanc3',
    detail: `url ${third.url}, weight 2, disk 2000000000000 B, password from file`,
  });
  expect(farm.service.log() + third.log()).not.toContain(third.password);
});

test('it is reached from every side, and an echo says from which it is not', async () => {
  const good = await ask('POST', '/backends/orthanc1/echo');
  expect(good.body).toMatchObject({
    ok: true,
    rest: { ok: true },
    dicom: { ok: true },
    peer: [{ front: 'front', ok: true }],
  });
  // Nobody said where its DICOM port is.
  expect((await ask('POST', '/backends/orthanc3/echo')).body).toMatchObject({ ok: true, dicom: null });
  expect((await ask('POST', '/backends/orthanc9/echo')).status).toBe(404);
});

test('at another address it is reached there, also after a front came up again with the peers of an earlier time', async () => {
  const { body } = await ask('PUT', '/backends/orthanc3', { url: proxy.url });
  expect(body).toMatchObject({ url: proxy.url, peers: [{ front: 'front', ok: true }] });
  await peerLeadsTo('orthanc3', proxy.url);
  await isUp('orthanc3');
  expect(await sendThrough(farm, await study('moved'))).toBe('orthanc3');

  // Its configuration is of before there was a third one.
  await farm.front.restart('SIGKILL');
  // An operator's own, which is none of our business from here on.
  await putPeer('archive', 'http://127.0.0.1:9');
  expect(await peersOf(farm.front)).not.toHaveProperty('orthanc3');
  expect(await sendThrough(farm, await study('stale'))).toBe('orthanc3');
  await peerLeadsTo('orthanc3', proxy.url);
});

test('removal is refused while a study is bound there, and the evacuation that is offered makes it possible', async () => {
  const bound = await study('bound');
  await send(farm, bound.instances);
  await until(async () => (await studyNow(farm, bound.studyUid)).instances.verified === 4, {
    what: 'it to be proven, and on the front still',
  });
  const refused = await ask('DELETE', '/backends/orthanc3', { confirm: true });
  expect(refused).toMatchObject({ status: 409, body: { type: 'urn:dde:problem:still-bound' } });
  expect(String(refused.body['detail'])).toMatch(
    /1 study bound to it is not through yet.*dde evacuate orthanc3/,
  );
  expect((await ask('GET', '/backends/orthanc3')).body['state']).toBe('drain');
  expect(yaml()).toContain('name: orthanc3');
  expect((await ask('DELETE', '/backends/orthanc3', {})).status).toBe(400);

  await only('orthanc1', 'orthanc2');
  await frontsEmpty(farm);
  expect((await ask('POST', '/backends/orthanc3/evacuation', {})).status).toBe(200);
  expect((await ask('DELETE', '/backends/orthanc3', { confirm: true })).status).toBe(409);
  await until(async () => (await ask('GET', '/backends/orthanc3/evacuation')).body['state'] === 'done', {
    what: 'it to be empty',
    timeoutMs: 40_000,
  });
  expect(await ask('DELETE', '/backends/orthanc3', { confirm: true })).toMatchObject({
    status: 200,
    body: { name: 'orthanc3', removed: true },
  });
  expect(await studiesOn(third)).toEqual(new Set());
  expect(yaml()).not.toContain('orthanc3');
  expect(readdirSync(join(farm.home, 'secrets'))).toEqual([]);
  expect(stale()).toEqual([]);
  expect((await ask('GET', '/backends/orthanc3')).status).toBe(404);
  await peerLeadsTo('orthanc3', null);
  await expectDelivered(
    farm,
    sent.flatMap(({ instances }) => instances),
  );
});

test('whatever dies between the file and the fronts, they are put right', async () => {
  // The front hangs, so that the change stands in the file and the service, and not on the front, when the service is killed.
  await farm.front.kill('SIGSTOP');
  const asked = ask('POST', '/backends', {
    name: 'orthanc3',
    url: third.url,
    password: third.password,
  }).catch(() => null);
  await until(() => yaml().includes('orthanc3'), { what: 'the file to have it' });
  await farm.service.kill('SIGKILL');
  await asked;
  await farm.front.kill('SIGCONT');
  expect(await peersOf(farm.front)).not.toHaveProperty('orthanc3');
  await farm.service.start();
  await peerLeadsTo('orthanc3', third.url);
  await isUp('orthanc3');
  await only('orthanc3');
  left = await study('killed');
  expect(await sendThrough(farm, left)).toBe('orthanc3');

  // The same on its way out. What it holds stays there.
  await only('orthanc1', 'orthanc2');
  await farm.front.kill('SIGSTOP');
  const removing = ask('DELETE', '/backends/orthanc3', { confirm: true }).catch(() => null);
  await until(() => !yaml().includes('orthanc3'), { what: 'the file to have it no more' });
  await farm.service.kill('SIGKILL');
  await removing;
  await farm.front.kill('SIGCONT');
  expect(await peersOf(farm.front)).toHaveProperty('orthanc3');
  await farm.service.start();
  await peerLeadsTo('orthanc3', null);
  expect(await studyNow(farm, left.studyUid)).toMatchObject({
    state: 'removed',
    backend: 'orthanc3',
    explorer: null,
  });
});

test('late images of a study on a backend that has left go to another after a while, and say what they wait for', async () => {
  await isUp('orthanc1');
  await isUp('orthanc2');
  const late = makeStudy({ seed: 'killed', instances: 6 });
  expect(late.studyUid).toBe(left.studyUid);
  sent.push(late);
  await send(farm, late.instances.slice(4));
  await until(async () => (await studyNow(farm, left.studyUid)).state === 'healing', {
    what: 'the study to wait for its other part',
    timeoutMs: 20_000,
  });
  const formers = await until(
    async () => {
      const { body } = await ask('GET', `/former-copies?study=${left.studyUid}`);
      return JSON.stringify(body).includes('is not in the topology') && body['items'];
    },
    { what: 'the reason to be said' },
  );
  expect(formers).toMatchObject([
    { backend: 'orthanc3', state: 'waiting', reason: 'orthanc3 is not in the topology any more' },
  ]);
});

test('the file edited by hand has the same effect, and whoever looked at it before is told', async () => {
  const seen = await ask('GET', '/topology');
  const tag = seen.headers.get('etag') ?? '';
  expect(seen.body).toMatchObject({ file: topologyFile(), problems: [], readOnly: null });
  expect(String(seen.body['text'])).toContain("default: '***'");
  const password = join(farm.folder, 'password-of-the-third');
  writeFileSync(password, third.password);
  const entry = `  - name: orthanc3\n    url: ${proxy.url}\n    password: { file: ${password} }\nrouting:`;
  writeFileSync(topologyFile(), yaml().replace(/^routing:/m, `  # the new one\n${entry}`));
  await peerLeadsTo('orthanc3', proxy.url);
  await isUp('orthanc3');
  expect(stale()).toEqual([]);
  // What waited for it since it had left is put together where it is bound now.
  await until(async () => (await studyNow(farm, left.studyUid)).state === 'removed', {
    what: 'the torn study to be whole',
    timeoutMs: 20_000,
  });
  await only('orthanc3');
  // Somebody who means well.
  await putPeer('orthanc3', 'http://127.0.0.1:9');
  expect(await sendThrough(farm, await study('by-hand'))).toBe('orthanc3');

  const late = await ask('PATCH', '/routing', { policy: 'fastest' }, { 'if-match': tag });
  expect(late).toMatchObject({ status: 409, body: { type: 'urn:dde:problem:topology-changed' } });
  const set = await ask('PATCH', '/routing', { policy: 'fastest', shadow: 'round-robin' });
  expect(set.body).toMatchObject({ policy: 'fastest', order: 'fifo', shadow: 'round-robin' });
  expect(yaml()).toContain('  # the new one\n');
  expect(yaml()).toMatch(/^ {2}policy: fastest$/m);

  const wrong = await ask('POST', '/backends', { name: 'orthanc4', url: third.url, passwordEnv: 'NOT_SET' });
  expect(wrong).toMatchObject({ status: 422, body: { type: 'urn:dde:problem:topology-invalid' } });
  expect(await peersOf(farm.front)).toHaveProperty('archive');

  chmodSync(topologyFile(), 0o444);
  const readOnly = await ask('PATCH', '/routing', { policy: 'round-robin' });
  expect(readOnly).toMatchObject({ status: 409, body: { type: 'urn:dde:problem:topology-read-only' } });
  chmodSync(topologyFile(), 0o644);
  await frontsEmpty(farm);
  await expectDelivered(
    { backends: new Map([...farm.backends, ['orthanc3', third]]) },
    sent.flatMap(({ instances }) => instances),
  );
});
