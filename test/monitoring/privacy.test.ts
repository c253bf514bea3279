import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runDde } from '../cli/dde.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, type SyntheticStudy, withOtherContent, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

/** What must be found nowhere but in the images themselves. */
const patient = {
  patientName: 'Geheimrat^Gertrud',
  patientId: 'PID-471108154711-GEHEIM',
  studyDescription: 'GEHEIME BESCHREIBUNG',
};
/** So many digits are in no UID and no checksum by chance; four were. */
const secrets = [/geheim/i, /gertrud/i, /471108154711/];

let farm: Farm;
let delivered: SyntheticStudy;
let disputed: SyntheticStudy;

beforeAll(async () => {
  farm = await startFarm({ serviceEnv: { DDE_LOG_FORMAT: 'json', DDE_LOG_LEVEL: 'debug' } });
  delivered = makeStudy({ ...patient, instances: 6, station: 'CT-1' });
  disputed = makeStudy({ ...patient, instances: 2, station: 'CT-2' });
  await send(delivered.instances);
  await send(disputed.instances);
  await frontsEmpty(farm);
  // The same again with other content, so that warnings speak of this patient's study as well.
  await send(disputed.instances.map(withOtherContent));
  await until(async () => (await quarantined()).length === 2, { what: 'both to be in quarantine' });
  // And announcements that are none.
  for (const body of [{ ...patient }, { instance: 'x', study: patient.patientName, front: 'front' }])
    await fetch(`${farm.service.url}/hook/stored`, {
      method: 'POST',
      headers: { authorization: 'Bearer hook-token-of-this-test-farm', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
}, 60_000);

afterAll(async () => farm?.stop());

async function send(instances: SyntheticStudy['instances']): Promise<void> {
  await using dir = await tempDir();
  await sendAllDicom(await writeInstances(instances, dir.path), { port: farm.front.dicomPort });
}

async function quarantined(): Promise<readonly { id: string }[]> {
  return (await farm.service.get<{ items: { id: string }[] }>('/api/v1/quarantine')).items;
}

const lineSchema = z.looseObject({
  timestamp: z.string(),
  level: z.string(),
  message: z.string(),
  study: z.string().optional(),
  studies: z.array(z.string()).optional(),
  transfer: z.number().optional(),
});

function lines(): readonly z.output<typeof lineSchema>[] {
  return farm.service
    .log()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => lineSchema.parse(JSON.parse(line)));
}

function clean(text: string, where: string): void {
  for (const secret of secrets) {
    const found = secret.exec(text);
    expect(
      found === null ? null : text.slice(Math.max(0, found.index - 200), found.index + 100),
      where,
    ).toBeNull();
  }
}

test('the images have what is looked for', () => {
  const file = delivered.instances[0]?.file.toString('latin1') ?? '';
  for (const secret of secrets) expect(file).toMatch(secret);
});

test('every line of the log is one JSON object, and none has anything of the patient', () => {
  expect(lines().length).toBeGreaterThan(10);
  clean(farm.service.log(), 'the log of the service');
});

test('what concerns a study has its UID, and what concerns a transfer its number', () => {
  const about = ({ studyUid }: SyntheticStudy) =>
    lines().filter(({ study, studies }) => study === studyUid || studies?.includes(studyUid) === true);
  const messages = about(delivered).map(({ message }) => message);
  expect(messages).toEqual(
    expect.arrayContaining(['study placed', 'transfer ended', 'removed from the front']),
  );
  const ofTransfers = lines().filter(({ message }) =>
    /transfer ended|not the same on both ends/.test(message),
  );
  expect(ofTransfers.length).toBeGreaterThan(2);
  for (const line of ofTransfers) {
    expect(line.transfer, JSON.stringify(line)).toBeGreaterThan(0);
    expect(line.study ?? line.studies?.[0], JSON.stringify(line)).toMatch(/^[\d.]+$/);
  }
  expect(about(disputed).map(({ message }) => message)).toContain(
    'not the same on both ends: conflict-quarantined',
  );
});

test('neither has the ledger, nor anything else in the state folder', () => {
  let looked = 0;
  for (const file of readdirSync(farm.home, { recursive: true, withFileTypes: true })) {
    // The Orthancs of this farm keep their images elsewhere.
    if (!file.isFile()) continue;
    looked++;
    clean(readFileSync(join(file.parentPath, file.name), 'latin1'), file.name);
  }
  expect(looked).toBeGreaterThan(3);
});

test('neither has any answer of the service, but the file of an image itself', async () => {
  const [instance] = await quarantined();
  const described = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(await farm.service.get('/openapi.json'));
  const paths = Object.entries(described.paths)
    .filter(([path, methods]) => 'get' in methods && !path.endsWith('/file') && !path.endsWith('/stream'))
    .map(([path]) =>
      path
        .replace('{uid}', disputed.studyUid)
        .replace('{front}', 'front')
        .replace('{id}', instance?.id ?? '')
        .replace('{name}', 'orthanc1'),
    );
  expect(paths.length).toBeGreaterThan(15);
  for (const path of [...paths, '/metrics', '/livez', '/readyz', `/api/v1/studies/${delivered.studyUid}`]) {
    const answer = await farm.service.request(path);
    clean(`${JSON.stringify([...answer.headers])} ${await answer.text()}`, path);
  }
});

test('neither have the Orthancs in their logs', () => {
  for (const orthanc of [farm.front, ...farm.backends.values()]) clean(orthanc.log(), orthanc.name);
});

test('the level of the log is changed while the service runs, and by whom is kept', async () => {
  expect(await runDde(farm, ['log-level'])).toMatchObject({ code: 0, out: 'debug\n' });
  expect(await runDde(farm, ['log-level', 'error'])).toMatchObject({ code: 0, out: 'error\n' });
  const before = lines().length;
  await farm.service.request('/hook/stored', { method: 'POST', body: 'x' });
  expect(lines().length).toBe(before);

  expect(await runDde(farm, ['log-level', 'warn', '--json'])).toMatchObject({
    out: '{\n  "level": "warn"\n}\n',
  });
  await farm.service.request('/hook/stored', { method: 'POST', body: 'x' });
  await until(
    () =>
      lines()
        .slice(before)
        .some(({ message }) => message === 'hook request refused'),
    {
      what: 'the warning',
    },
  );
  expect((await runDde(farm, ['audit'])).out).toMatch(/admin {2}log-level\n +warn\n +before: error/);
  expect(await runDde(farm, ['log-level', 'chatty'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('error, warn, info, debug'),
  });
});

test('a token that may only look may see the level and not change it', async () => {
  const created = z
    .object({ token: z.string() })
    .parse(await (await put('POST', '/api/v1/tokens', { name: 'wall', role: 'operate' })).json());
  const asWall = { authorization: `Bearer ${created.token}`, 'content-type': 'application/json' };
  const url = `${farm.service.url}/api/v1/log-level`;
  expect((await fetch(url, { headers: asWall })).status).toBe(200);
  const body = JSON.stringify({ level: 'debug' });
  expect((await fetch(url, { method: 'PUT', headers: asWall, body })).status).toBe(403);
  expect((await put('PUT', '/api/v1/log-level', { level: 'loud' })).status).toBe(400);
});

function put(method: string, path: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return farm.service.request(path, { method, headers, body: JSON.stringify(body) });
}
