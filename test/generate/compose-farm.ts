import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { until } from '../support/wait.ts';

/**
 * Runs inside a network namespace of its own, where the ports of the topology are free and the names of the containers
 * mean this machine: starts each container's program natively from what compose gives it, sends a file to the front, and
 * prints on which backends it arrived.
 */
export interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly log: string;
}

export interface FarmSpec {
  readonly containers: readonly Container[];
  readonly file: string;
  readonly front: { readonly host: string; readonly port: number };
  /** Name → how to ask it for its instances. */
  readonly orthancs: Readonly<Record<string, { readonly url: string; readonly authorization: string }>>;
}

function start({ command, env, cwd, log }: Container): ChildProcess {
  const output = openSync(log, 'a');
  try {
    return spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      cwd,
      env,
      stdio: ['ignore', output, output],
    });
  } finally {
    closeSync(output);
  }
}

async function run(spec: FarmSpec): Promise<Record<string, readonly string[]>> {
  const get = async (name: string, path: string): Promise<unknown> => {
    const orthanc = spec.orthancs[name];
    if (orthanc === undefined) throw new Error(`no ${name}`);
    const headers = { authorization: orthanc.authorization };
    const answer = await fetch(orthanc.url + path, { headers, signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`${name}${path} answers ${answer.status}`);
    return answer.json();
  };
  const instances = async (name: string): Promise<readonly string[]> => {
    const ids = await get(name, '/instances');
    return Array.isArray(ids) ? ids.map(String) : [];
  };
  const names = Object.keys(spec.orthancs);
  const backends = names.filter((name) => name !== 'front');
  for (const name of names) {
    await until(() => instances(name), { what: `${name} to answer`, timeoutMs: 30_000, intervalMs: 50 });
  }
  // The front itself knows where its peers are, and their passwords.
  for (const name of backends) await get('front', `/peers/${name}/system`);
  const sender = spawn('storescu', ['-aec', 'ANY', spec.front.host, String(spec.front.port), spec.file]);
  const code = await new Promise((resolve) => sender.on('close', resolve));
  if (code !== 0) throw new Error(`storescu ended with ${String(code)}`);
  const arrived = async () => (await Promise.all(backends.map(instances))).flat().length > 0;
  await until(arrived, { what: 'the instance to arrive on a backend', timeoutMs: 30_000 });
  await until(async () => (await instances('front')).length === 0, {
    what: 'the front to be empty',
    timeoutMs: 45_000,
    intervalMs: 100,
  });
  const entries = await Promise.all(names.map(async (name) => [name, await instances(name)] as const));
  return Object.fromEntries(entries);
}

const spec: FarmSpec = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
const started = spec.containers.map(start);
try {
  process.stdout.write(`${JSON.stringify(await run(spec))}\n`);
} catch (error) {
  const logs = spec.containers.map(
    ({ name, log }) => `== ${name}\n${readFileSync(log, 'utf8').slice(-1500)}`,
  );
  process.stderr.write(`${String(error)}\n${logs.join('\n')}\n`);
  process.exitCode = 1;
} finally {
  for (const child of started) child.kill('SIGKILL');
}
