import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  backendAnswer,
  decisionsAnswer,
  frontAnswer,
  historyAnswer,
  listOf,
  pageOf,
  problemAnswer,
  queueAnswer,
  readyAnswer,
  studyAnswer,
  totalsAnswer,
  uploadAnswer,
} from '../../src/admin/schemas.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, type SyntheticStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';

let farm: Farm;
let studies: SyntheticStudy[];

beforeAll(async () => {
  farm = await startFarm({ settle: '200 ms', history: { sample: '200 ms' } });
  studies = Array.from({ length: 5 }, (_, index) =>
    makeStudy({ seed: `api-${index}`, instances: 2, modality: index === 0 ? 'MR' : 'CT' }),
  );
  for (const study of studies) for (const { file } of study.instances) await upload(file);
  await frontsEmpty(farm);
});
afterAll(async () => {
  await farm?.stop();
});

function upload(file: Uint8Array, type = 'application/dicom', query = ''): Promise<Response> {
  return farm.service.request(`/api/v1/instances${query}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: new Uint8Array(file),
  });
}

async function get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(await farm.service.get(path));
}

async function problem(answer: Response): Promise<z.infer<typeof problemAnswer>> {
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const body = problemAnswer.parse(await answer.json());
  expect(body.status).toBe(answer.status);
  return body;
}

function patch(name: string, body: unknown): Promise<Response> {
  return farm.service.request(`/api/v1/backends/${name}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function backendOf(study: SyntheticStudy): Promise<string | null> {
  return (await get(`/api/v1/studies/${study.studyUid}`, studyAnswer)).backend;
}

async function sendNew(count: number): Promise<SyntheticStudy[]> {
  const sent = Array.from({ length: count }, () => makeStudy({ seed: randomUUID(), instances: 1 }));
  for (const study of sent)
    for (const { file } of study.instances) expect((await upload(file)).status).toBe(200);
  return sent;
}

describe('who may ask', () => {
  const guarded = ['/api/v1/backends', '/api/v1/studies', '/api/v1/queue', '/api/v1/nothing', '/metrics'];
  test.each(guarded)('%s needs the token', async (path) => {
    for (const authorization of [
      undefined,
      'Bearer wrong',
      'Basic dG9rZW4=',
      `Bearer ${farm.service.token}x`,
    ]) {
      const answer = await fetch(`${farm.service.url}${path}`, {
        headers: authorization === undefined ? {} : { authorization },
      });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect((await problem(answer)).type).toBe('urn:dde:problem:unauthorized');
    }
  });

  test('the hook token opens nothing of the admin API', async () => {
    const answer = await fetch(`${farm.service.url}/api/v1/backends`, {
      headers: { authorization: 'Bearer hook-token-of-this-test-farm' },
    });
    expect(answer.status).toBe(401);
    await answer.arrayBuffer();
  });

  test('a name that somebody else let point here is not answered', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = httpRequest(
        `${farm.service.url}/api/v1/backends`,
        { headers: { host: 'evil.example', authorization: `Bearer ${farm.service.token}` } },
        (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.statusCode));
        },
      );
      asked.on('error', reject).end();
    });
    expect(status).toBe(421);
  });
});

describe('requests that are wrong', () => {
  test('are told all their mistakes at once', async () => {
    const answer = await farm.service.request(
      '/api/v1/studies?limit=0&state=lost&since=yesterday&colour=blue',
    );
    expect(answer.status).toBe(400);
    const { problems } = await problem(answer);
    expect(problems?.map((one) => one.where)).toEqual(
      expect.arrayContaining(['query.limit', 'query.state', 'query.since', 'query']),
    );

    const change = await patch('orthanc1', { state: 'gone', weight: -1, lanes: 3 });
    expect(change.status).toBe(400);
    expect((await problem(change)).problems?.map((one) => one.where)).toEqual(
      expect.arrayContaining(['body.state', 'body.weight', 'body']),
    );
    expect((await get('/api/v1/backends/orthanc1', backendAnswer)).state).toBe('ready');
  });

  test.each([
    ['a study nobody sent', 'GET', '/api/v1/studies/1.2.3', 404, 'unknown-study'],
    ['its decisions', 'GET', '/api/v1/studies/1.2.3/decisions', 404, 'unknown-study'],
    ['a backend that is none', 'GET', '/api/v1/backends/orthanc9', 404, 'unknown-backend'],
    ['a path that is none', 'GET', '/api/v1/nothing', 404, 'unknown-path'],
    ['another method', 'DELETE', '/api/v1/totals', 405, 'wrong-method'],
    ['a foreign cursor', 'GET', '/api/v1/studies?cursor=abc', 400, 'invalid-request'],
    ['a foreign cursor of history', 'GET', '/api/v1/history?cursor=abc', 400, 'invalid-request'],
    ['a broken escape', 'GET', '/api/v1/studies/%E0%A4%A', 400, 'invalid-request'],
    ['PATCH without a body', 'PATCH', '/api/v1/backends/orthanc1', 415, 'wrong-media-type'],
  ])('%s', async (_what, method, path, status, code) => {
    const answer = await farm.service.request(path, { method });
    expect(answer.status).toBe(status);
    expect((await problem(answer)).type).toBe(`urn:dde:problem:${code}`);
  });

  test('a body that is no JSON, or too large', async () => {
    for (const [body, status] of [
      ['{', 400],
      ['"x"', 400],
      [`{"state":"${'x'.repeat(20_000)}"}`, 413],
    ] as const) {
      const answer = await farm.service.request('/api/v1/backends/orthanc1', {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(answer.status).toBe(status);
      await problem(answer);
    }
  });
});

describe('what an operator sets', () => {
  afterEach(async () => {
    for (const name of farm.backends.keys()) await patch(name, { state: 'ready', weight: null });
  });

  test('drain: nothing new goes there, and what is bound finishes', async () => {
    const [bound] = await sendNew(1);
    if (bound === undefined) throw new Error('one study was sent');
    await frontsEmpty(farm);
    const name = (await backendOf(bound)) ?? '';
    const other = name === 'orthanc1' ? 'orthanc2' : 'orthanc1';
    expect((await patch(name, { state: 'drain' })).status).toBe(200);
    const late = makeStudy({ studyUid: bound.studyUid, patientId: bound.patientId, instances: 1 });
    for (const { file } of late.instances) await upload(file);
    const sent = await sendNew(4);
    await frontsEmpty(farm);
    for (const study of sent) expect(await backendOf(study)).toBe(other);
    expect(await backendOf(bound)).toBe(name);
    const decisions = await get(`/api/v1/studies/${sent[0]?.studyUid}/decisions`, decisionsAnswer);
    expect(decisions.items[0]?.considered.find((one) => one.backend === name)?.passedOver).toMatch(/drain/);
    expect((await patch(name, { state: 'ready' })).status).toBe(200);
  });

  test('maint of all: everything waits and says why; ready: it goes on', async () => {
    for (const name of farm.backends.keys()) await patch(name, { state: 'maint' });
    const [sent] = await sendNew(1);
    if (sent === undefined) throw new Error('one study was sent');
    await until(
      async () => /maint/.test((await get(`/api/v1/studies/${sent.studyUid}`, studyAnswer)).waiting ?? ''),
      { what: 'the study to say why it waits' },
    );
    const queue = await get('/api/v1/queue', queueAnswer);
    expect(queue).toMatchObject({ instances: 1, unplacedStudies: 1 });
    for (const name of farm.backends.keys()) await patch(name, { state: 'ready' });
    await frontsEmpty(farm);
  });

  test('weight 0: nothing new; null: as the topology has it', async () => {
    expect(await (await patch('orthanc1', { weight: 0 })).json()).toMatchObject({ weight: 0 });
    const sent = await sendNew(4);
    await frontsEmpty(farm);
    for (const study of sent) expect(await backendOf(study)).toBe('orthanc2');
    expect(await (await patch('orthanc1', { weight: null })).json()).toMatchObject({ weight: 1 });
  });
});

const key = (point: z.infer<typeof historyAnswer>): string => `${point.at} ${point.orthanc}`;

describe('lists', () => {
  test('studies come in pages, each once, and can be filtered', async () => {
    const all = await get('/api/v1/studies?limit=1000', pageOf(studyAnswer));
    expect(all.next).toBeNull();
    const paged: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await get(`/api/v1/studies?limit=2${query}`, pageOf(studyAnswer));
      expect(page.items.length).toBeLessThanOrEqual(2);
      paged.push(...page.items.map((study) => study.studyInstanceUID));
      cursor = page.next;
    } while (cursor !== null);
    expect(paged).toEqual(all.items.map((study) => study.studyInstanceUID));

    const mr = await get('/api/v1/studies?modality=MR', pageOf(studyAnswer));
    expect(mr.items.map((study) => study.studyInstanceUID)).toEqual([studies[0]?.studyUid]);
    const none = await get('/api/v1/studies?state=quarantined', pageOf(studyAnswer));
    expect(none.items).toEqual([]);
  });

  test('history has every Orthanc, in pages that together are the whole', async () => {
    const to = await until(
      async () => {
        const { items } = await get('/api/v1/history?limit=1000', pageOf(historyAnswer));
        return items.length > 12 ? items.at(-1)?.at : null;
      },
      { what: 'some samples' },
    );
    const whole = await get(`/api/v1/history?limit=1000&to=${to}`, pageOf(historyAnswer));
    const paged: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await get(`/api/v1/history?limit=5&to=${to}${query}`, pageOf(historyAnswer));
      paged.push(...page.items.map(key));
      cursor = page.next;
    } while (cursor !== null);
    expect(paged).toEqual(whole.items.map(key));
    expect(new Set(whole.items.map((point) => point.orthanc))).toEqual(
      new Set(['front', 'orthanc1', 'orthanc2']),
    );
  });

  test('fronts, totals and the rest answer as they are described', async () => {
    expect(await get('/api/v1/fronts', listOf(frontAnswer))).toMatchObject({
      items: [{ name: 'front', health: 'up', takesImages: true }],
    });
    const totals = await get('/api/v1/totals', totalsAnswer);
    expect(totals.removed).toBeGreaterThanOrEqual(10);
    expect(totals.proven).toBe(totals.received);
    expect((await farm.service.request('/api/v1/reconcile', { method: 'POST' })).status).toBe(200);
  });
});

describe('uploads', () => {
  test('of a good file, and of the same again', async () => {
    const [instance] = makeStudy({ seed: randomUUID() }).instances;
    if (instance === undefined) throw new Error('one instance was made');
    const answer = await upload(instance.file, 'application/dicom', '?front=front');
    expect(uploadAnswer.parse(await answer.json())).toEqual({
      orthancId: instance.orthancId,
      status: 'Success',
      front: 'front',
    });
    await upload(instance.file);
    // And again, while the front still has it: its script drops the same image, as it does for a modality that sends twice.
    const again = await upload(instance.file);
    expect(await again.json()).toMatchObject({ status: 'AlreadyStored', front: 'front' });
    await frontsEmpty(farm);
  });

  test.each([
    ['text', Buffer.from('this is no DICOM file'), 'application/dicom', '', 422],
    ['nothing', Buffer.alloc(0), 'application/dicom', '', 422],
    [
      'half a file',
      makeStudy({ seed: 'half' }).instances[0]?.file.subarray(0, 300),
      'application/dicom',
      '',
      422,
    ],
    ['another media type', Buffer.from('{}'), 'application/json', '', 415],
    ['a front that is none', Buffer.from('x'), 'application/dicom', '?front=elsewhere', 404],
  ])('%s is refused with a reason, and leaves nothing behind', async (_what, file, type, query, status) => {
    const answer = await upload(file ?? Buffer.alloc(0), type, query);
    expect(answer.status).toBe(status);
    expect((await problem(answer)).detail).not.toBe('');
    await frontsEmpty(farm);
  });
});

async function counters(): Promise<ReadonlyMap<string, number>> {
  const text = await (await farm.service.request('/metrics')).text();
  return new Map(
    text
      .split('\n')
      .filter((line) => /^dde_\w+_total/.test(line))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

describe('monitoring', () => {
  test('/livez and /readyz need no token', async () => {
    const live = await fetch(`${farm.service.url}/livez`);
    expect(await live.json()).toMatchObject({ alive: true });
    const ready = await fetch(`${farm.service.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(readyAnswer.parse(await ready.json())).toMatchObject({ ready: true, missing: [] });
  });

  test('every metric has help, a type, and a name by the rules of Prometheus', async () => {
    const answer = await farm.service.request('/metrics');
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = (await answer.text()).split('\n');
    const types = new Map<string, string>();
    const helped = new Set<string>();
    for (const line of lines) {
      const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
      if (kind === 'HELP' && rest !== '') helped.add(name);
      if (kind === 'TYPE') types.set(name, rest);
    }
    expect([...types.keys()].filter((name) => !helped.has(name))).toEqual([]);
    const samples = lines.filter((line) => line !== '' && !line.startsWith('#'));
    for (const sample of samples) {
      const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(sample)?.[0] ?? '';
      const base = name.replace(/_(bucket|sum|count)$/, '');
      expect(
        types.has(name) || types.get(base) === 'histogram' || types.get(base) === 'summary',
        sample,
      ).toBe(true);
    }
    for (const [name, type] of types) {
      expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter');
      expect(name).not.toMatch(/(milliseconds|_ms|_kb|_mb|percent)(_|$)/);
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/);
    }
    const value = (sample: string) =>
      Number(samples.find((line) => line.startsWith(`${sample} `))?.slice(sample.length + 1));
    const totals = await get('/api/v1/totals', totalsAnswer);
    expect(value('dde_instances_removed_total')).toBe(totals.removed);
    expect(value('dde_backend_up{backend="orthanc1"}')).toBe(1);
    expect(value('dde_hook_duration_seconds_count')).toBeGreaterThanOrEqual(10);
  });

  test('two scrapes at once agree, and nothing that only grows shrinks', async () => {
    const [first, second] = await Promise.all([counters(), counters()]);
    for (const [name, before] of first) expect(second.get(name) ?? 0, name).toBeGreaterThanOrEqual(before);
  });

  test('the description lists each route that answers, with its method', async () => {
    const described = z.object({
      openapi: z.literal('3.1.0'),
      paths: z.record(
        z.string(),
        z.record(z.string(), z.object({ responses: z.record(z.string(), z.unknown()) })),
      ),
    });
    const answer = await fetch(`${farm.service.url}/openapi.json`);
    const { paths } = described.parse(await answer.json());
    for (const path of [
      '/api/v1/backends',
      '/api/v1/backends/{name}',
      '/api/v1/backends/{name}/evacuation',
      '/api/v1/audit',
      '/api/v1/backup',
      '/api/v1/evacuations',
      '/api/v1/events',
      '/api/v1/farm',
      '/api/v1/former-copies',
      '/api/v1/fronts',
      '/api/v1/history',
      '/api/v1/instances',
      '/api/v1/quarantine',
      '/api/v1/quarantine/retry',
      '/api/v1/quarantine/{front}/{id}',
      '/api/v1/quarantine/{front}/{id}/discard',
      '/api/v1/quarantine/{front}/{id}/file',
      '/api/v1/quarantine/{front}/{id}/release',
      '/api/v1/queue',
      '/api/v1/reconcile',
      '/api/v1/scenarios',
      '/api/v1/series',
      '/api/v1/series.csv',
      '/api/v1/simulations',
      '/api/v1/simulations/{id}',
      '/api/v1/stream',
      '/api/v1/studies',
      '/api/v1/studies/{uid}',
      '/api/v1/studies/{uid}/accept-current',
      '/api/v1/studies/{uid}/rebind',
      '/api/v1/studies/{uid}/decisions',
      '/api/v1/studies/{uid}/events',
      '/api/v1/studies/{uid}/receipts',
      '/api/v1/studies/{uid}/timeline',
      '/api/v1/totals',
    ]) {
      expect(Object.keys(paths)).toContain(path);
    }
    // Of these there is none in a farm where nothing was ever wrong.
    const absent = /evacuation$|\{id\}/;
    for (const [path, methods] of Object.entries(paths)) {
      if (!('get' in methods) || absent.test(path)) continue;
      const asked = path.replace('{name}', 'orthanc1').replace('{uid}', studies[0]?.studyUid ?? '');
      const given = await farm.service.request(asked);
      // Not read to its end: one of them has none.
      await given.body?.cancel();
      expect(given.status, asked).toBe(200);
    }
  });
});
