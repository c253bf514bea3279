import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quarantineAnswer } from '../../src/admin/failover-schemas.ts';
import { pageOf, studyAnswer } from '../../src/admin/schemas.ts';
import { quoted } from '../../src/cli/completion/bash.ts';
import { isNarrow, root, runDde } from '../cli/dde.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, withOtherContent, writeInstances } from '../support/synthetic.ts';
import { uploadInstance } from '../support/upload.ts';
import { until } from '../support/wait.ts';

/** What stands in the documents to be typed is typed here, on a real farm; only names, ports and paths are this farm's. */

/** The farm's, as its helper says it. */
const token = 'token-of-this-test-farm';
let farm: Farm;
const study = makeStudy({ seed: 'examples', instances: 3 });

beforeAll(async () => {
  farm = await startFarm({
    settle: '300 ms',
    history: { sample: '300 ms' },
    serviceEnv: { DDE_ORTHANC3_PASSWORD: 'orthanc' },
  });
  // So that the examples, which name one backend or the other, find what they speak of.
  await ask('PATCH', '/backends/orthanc2', { state: 'drain' });
  for (const instance of study.instances) await uploadInstance(farm.service, instance);
  await frontsEmpty(farm);
  await ask('PATCH', '/backends/orthanc2', { state: 'ready' });
  await writeFile(join(farm.home, 'a.dcm'), makeStudy({ seed: 'a', instances: 1 }).instances[0]?.file ?? '');
}, 60_000);
afterAll(async () => farm?.stop());

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await farm.service.request(`/api/v1${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true);
  return answer.json();
}

const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

/** Types a line into bash in the farm's folder. */
async function bash(line: string): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn('bash', ['-c', line], { cwd: farm.home, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

interface Example {
  /** `GET /api/v1/studies` */
  readonly route: string;
  /** `curl …` */
  readonly command: string;
}

async function apiExamples(): Promise<readonly Example[]> {
  const rows = [
    ...(await read('docs/api.md')).matchAll(/^\| `([A-Z]+ \/[^`]*)` \|.*\| `(curl [^`]*)` \|$/gm),
  ];
  const examples = rows.map(([, route = '', command = '']) => ({ route, command }));
  // While the study is where it was sent to first: an image of it that has other content can go to the other backend then.
  const isEarly = ({ route }: Example): boolean => route.includes('/quarantine');
  return [...examples.filter(isEarly), ...examples.filter((one) => !isEarly(one))];
}

/** Puts an image in quarantine: other content than the backend has under its identifier. Returns its id. */
async function quarantined(index: number): Promise<string> {
  const instance = study.instances[index];
  if (instance === undefined) throw new Error('the study is too small');
  const other = withOtherContent(instance);
  await uploadInstance(farm.service, other);
  return until(async () => (await inQuarantine()).find((id) => id === other.orthancId) ?? null, {
    what: 'the image to be in quarantine',
    intervalMs: 100,
  });
}

async function inQuarantine(): Promise<readonly string[]> {
  const { items } = pageOf(quarantineAnswer).parse(await ask('GET', '/quarantine'));
  return items.map(({ orthancId }) => orthancId);
}

/** What has to have happened before an example makes sense; returns what `ID` stands for in it. */
async function before({ route }: Example, ids: Map<string, string>): Promise<string> {
  if (route.includes('/quarantine')) {
    const index = route.endsWith('/discard') ? 1 : 0;
    const known = (await inQuarantine())[0];
    return known ?? (await quarantined(index));
  }
  if (route.endsWith('/accept-current')) {
    const { studyUid } = study;
    await until(
      async () => {
        const found = studyAnswer.parse(await ask('GET', `/studies/${studyUid}`));
        return found.formerCopies.some(({ state }) => state === 'conflict');
      },
      { what: 'what is left on the former backend to be in conflict', timeoutMs: 20_000, intervalMs: 100 },
    );
  }
  return ids.get(route.replace(/^\w+ /, '').replace(/\/\{.*$/, '')) ?? 'ID';
}

describe('docs/api.md', () => {
  test('every example is answered, in an order that makes sense', async () => {
    const ids = new Map<string, string>();
    const examples = await apiExamples();
    expect(examples.length).toBeGreaterThan(25);
    for (const example of examples) {
      const id = await before(example, ids);
      const command = example.command
        .replace(/^curl /, "curl -sS --max-time 5 -w '\\n%{http_code} %{content_type}' ")
        .replaceAll(/\b1\.2\.3\b/g, study.studyUid)
        .replaceAll(/\bTOKEN\b/g, token)
        .replaceAll(/\bID\b/g, id);
      const auth = `auth=${quoted(`Authorization: Bearer ${token}`)}`;
      const line = `api=${quoted(farm.topology.service.url)}; ${auth}; ${command}`;
      const { code, out, err } = await bash(line);
      const [, body = '', status, type = ''] = /^(.*?)\n?(\d{3}) ([^\n]*)$/s.exec(out) ?? [];
      const said = `${example.route}\n${line}\n${out}${err}`;
      expect(status, said).toMatch(/^20\d$/);
      if (type.startsWith('text/event-stream')) continue;
      expect(code, said).toBe(0);
      if (!type.startsWith('application/json')) continue;
      const answer: unknown = JSON.parse(body);
      remember(ids, example.route, answer);
    }
  }, 60_000);
});

/** What was made has an id, by which examples that come after it speak of it. */
function remember(ids: Map<string, string>, route: string, answer: unknown): void {
  if (typeof answer === 'object' && answer !== null && 'id' in answer && typeof answer.id === 'string')
    ids.set(route.replace(/^\w+ /, ''), answer.id);
}

/** Lines of the shell blocks of a document, without what is said beside them. */
async function linesOf(path: string): Promise<readonly string[]> {
  const blocks = [...(await read(path)).matchAll(/```sh\n(.*?)```/gs)].map((match) => match[1] ?? '');
  return blocks
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '');
}

describe.each(['docs/getting-started.md', 'README.md'])('%s', (path) => {
  test('every line of it does what it says', async () => {
    const folder = join(farm.home, `folder-of-${path.replaceAll('/', '-')}`);
    await mkdir(folder, { recursive: true });
    const sent = makeStudy({ seed: path, instances: 3 });
    // One for storescu, which writes its own header: sent once more from the folder it would be another content.
    const files = await writeInstances(sent.instances.slice(0, 1), farm.home);
    await writeInstances(sent.instances.slice(1), folder);
    const lines = (await linesOf(path)).filter(isHere);
    expect(lines.length).toBeGreaterThan(5);
    const here: readonly (readonly [string | RegExp, string])[] = [
      ['localhost 11113', `localhost ${farm.front.dicomPort}`],
      ['localhost:8042', `localhost:${farm.backend('orthanc1').httpPort}`],
      ['localhost:8052', `localhost:${farm.backend('orthanc2').httpPort}`],
      ['/path/to/test.dcm', files[0] ?? ''],
      [/\/path\/to\/folder|\bFOLDER\b/g, folder],
      [/\bSTUDY\b|1\.2\.840\.113619\.2\.1\b/g, sent.studyUid],
      ['ledger.sqlite', `${path.replaceAll('/', '-')}.sqlite`],
    ];
    for (const line of lines) {
      const typed = here.reduce((so, [placeholder, own]) => so.replaceAll(placeholder, own), line);
      const dde = /^npx dde (.*)$/.exec(typed)?.[1];
      if (dde === undefined) expect(await bash(typed), typed).toMatchObject({ code: 0 });
      else {
        await announced(sent.studyUid);
        const ran = await runDde(farm, dde.split(' '));
        expect(ran.code, `${typed}\n${ran.out}${ran.err}`).toBe(0);
        expect(isNarrow(ran) || /^(where|backup)/.test(dde), ran.out).toBe(true);
      }
    }
    await ask('PATCH', '/backends/orthanc1', { state: 'ready' });
  }, 60_000);
});

/**
 * Not here: setting up and starting a farm, which test/farm and test/setup do; tests and benches; a replay and an evacuation, which
 * take their time and have tests of their own; what goes on until Ctrl-C.
 */
function isHere(line: string): boolean {
  return (
    /^(npx dde|storescu|curl) /.test(line) &&
    !/dde (up|replay|evacuate|simulate)\b|--(watch|follow)/.test(line)
  );
}

/** What storescu has sent is known a moment later. */
async function announced(uid: string): Promise<void> {
  await until(async () => (await farm.service.request(`/api/v1/studies/${uid}`)).ok, {
    what: 'the study to be announced',
    intervalMs: 50,
  });
}
