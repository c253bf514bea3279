import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { orthancCommand } from '../support/orthanc-process.ts';
import { freePorts } from '../support/ports.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

const dde = join(import.meta.dirname, '../../src/cli/dde.ts');

export interface FarmFolder extends AsyncDisposable {
  readonly home: string;
  readonly topologyFile: string;
  readonly ports: readonly number[];
  /** Port by use. */
  readonly port: { readonly service: number; readonly frontDicom: number; readonly orthanc1Http: number };
  /** `dde` with this folder's environment. */
  dde(args: readonly string[], env?: Readonly<Record<string, string>>): DdeProcess;
  /** Processes whose environment names this folder, the `dde` included. */
  processes(): Promise<readonly { readonly pid: number; readonly name: string }[]>;
}

export interface DdeProcess {
  readonly pid: number;
  /** Everything written so far, both streams. */
  output(): string;
  said(text: string | RegExp): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals | null>;
}

/** A state folder and a topology of its own on free ports; whatever runs from it is gone when it is disposed of. */
export async function farmFolder(): Promise<FarmFolder> {
  const dir = await tempDir('up');
  const home = join(dir.path, 'home');
  const topologyFile = join(dir.path, 'topology.yaml');
  const ports = await freePorts(7);
  const [service = 0, frontHttp = 0, frontDicom = 0, oneHttp = 0, oneDicom = 0, twoHttp = 0, twoDicom = 0] =
    ports;
  const orthanc = (name: string, httpPort: number, dicomPort: number) => ({
    name,
    url: `http://127.0.0.1:${httpPort}`,
    run: { httpPort, dicomPort, aeTitle: name.toUpperCase() },
  });
  const backend = (name: string, httpPort: number, dicomPort: number) => ({
    ...orthanc(name, httpPort, dicomPort),
    password: { env: `DDE_${name.toUpperCase()}_PASSWORD`, default: 'orthanc' },
  });
  const document = {
    service: { port: service, url: `http://127.0.0.1:${service}` },
    fronts: [{ ...orthanc('front', frontHttp, frontDicom), password: { env: 'DDE_FRONT_PASSWORD' } }],
    backends: [backend('orthanc1', oneHttp, oneDicom), backend('orthanc2', twoHttp, twoDicom)],
    routing: { settle: '1 s' },
  };
  await mkdir(dir.path, { recursive: true });
  await writeFile(topologyFile, stringify(document));

  const processes = async () => {
    const found: { pid: number; name: string }[] = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      if (!environment.includes(dir.path)) continue;
      const name = /DDE_STORAGE=[^\0]*\/([^/\0]+)/.exec(environment)?.[1];
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (command !== '')
        found.push({ pid: Number(pid), name: name ?? (command.includes('dde.ts') ? 'dde' : 'service') });
    }
    return found;
  };

  return {
    home,
    topologyFile,
    ports,
    port: { service, frontDicom, orthanc1Http: oneHttp },
    processes,
    dde: (args, env = {}) =>
      ddeProcess(args, {
        ...process.env,
        DDE_HOME: home,
        DDE_TOPOLOGY: topologyFile,
        DDE_ORTHANC: orthancCommand(),
        ...env,
      }),
    async [Symbol.asyncDispose]() {
      for (const { pid } of await processes()) killIfThere(pid);
      await until(async () => (await processes()).length === 0, { what: 'the farm to be gone' });
      await dir.remove();
    },
  };
}

function ddeProcess(args: readonly string[], env: NodeJS.ProcessEnv): DdeProcess {
  // The kernel ends it together with the test's worker.
  const child: ChildProcess = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, dde, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  const closed = once(child, 'close');
  return {
    pid: child.pid ?? 0,
    output: () => text,
    async said(wanted) {
      await until(
        () => {
          if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) return true;
          if (child.exitCode !== null) throw new Error(`dde ended with ${child.exitCode}:\n${text}`);
          throw new Error(`so far:\n${text}`);
        },
        { what: `dde to say ${String(wanted)}`, timeoutMs: 30_000 },
      );
    },
    signal: (signal) => void child.kill(signal),
    async ended() {
      await closed;
      return child.exitCode ?? child.signalCode;
    },
  };
}

export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
