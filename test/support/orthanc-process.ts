import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripJsonComments } from './json-comments.ts';
import { freePort } from './ports.ts';
import { tempDir } from './temp.ts';

/** The Orthanc the tests run on: `DDE_ORTHANC=/path/to/Orthanc npm test` takes another one. */
export function orthancCommand(): string {
  return process.env.DDE_ORTHANC ?? 'Orthanc';
}

let version: string | undefined;

/** Its version, such as `1.12.7`; 99.0.0 for a build from the main line. */
export function orthancVersion(): string {
  if (version === undefined) {
    const run = spawnSync(orthancCommand(), ['--version'], { encoding: 'utf8' });
    if (run.error) {
      throw new Error(
        `Orthanc does not run (${orthancCommand()}): "apt-get install orthanc" brings it, or set DDE_ORTHANC`,
        {
          cause: run.error,
        },
      );
    }
    version = /Orthanc (\d+\.\d+\.\d+)/.exec(run.stdout)?.[1] ?? '99.0.0';
  }
  return version;
}

/** Is the Orthanc under test at least this version, such as `1.11.3`? */
export function orthancAtLeast(wanted: string): boolean {
  return orthancVersion().localeCompare(wanted, 'en', { numeric: true }) >= 0;
}

export interface OrthancOptions {
  /** Configuration on top of the defaults below and of `configFiles`; undefined takes a default away. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Configuration files (comments allowed) read before `config`; their ports and folders are replaced by free ones. */
  readonly configFiles?: readonly string[];
  /** On top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its name and AE title. */
  readonly name?: string;
  /** Text of a Lua script to load. */
  readonly luaScript?: string;
  readonly username?: string;
  readonly password?: string;
  readonly httpPort?: number;
  readonly dicomPort?: number;
  /** Where storage and index are instead of in its folder; it stays when the Orthanc is stopped. */
  readonly storage?: string;
  /** Where its index is instead of beside its files; it stays as well. */
  readonly index?: string;
}

export interface OrthancProcess extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly httpPort: number;
  readonly dicomPort: number;
  readonly username: string;
  readonly password: string;
  /** Folder with its configuration, storage and log. */
  readonly folder: string;
  /** Process id of the run under way, or of the last one. */
  readonly pid: number;
  readonly running: boolean;
  /** All it has logged, over all its runs. */
  log(): string;
  /** Sends the signal; waits for the end unless the process is only stopped or continued. Storage stays. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it if it runs (SIGTERM: in order, which takes Orthanc 4 s), and starts it on the same ports and storage. */
  restart(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Ends it and removes its folder. May be called twice. */
  stop(): Promise<void>;
  /** A plain request with its credentials, for what tests want to know or to do behind the back of the code under test. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** Starts a real Orthanc with a storage of its own and waits until it answers. */
export async function startOrthanc(options: OrthancOptions = {}): Promise<OrthancProcess> {
  const { name = 'ORTHANC', username = 'orthanc', password = 'orthanc' } = options;
  const httpPort = options.httpPort ?? (await freePort());
  const dicomPort = options.dicomPort ?? (await freePort());
  const dir = await tempDir(`orthanc-${name}`);
  const url = `http://127.0.0.1:${httpPort}`;
  const logFile = join(dir.path, 'log');
  const configFile = await writeConfig(dir.path, {
    ...options,
    name,
    username,
    password,
    httpPort,
    dicomPort,
  });
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  let child: ChildProcess;

  const log = () => readFileSync(logFile, 'utf8');
  const running = () => child.exitCode === null && child.signalCode === null;

  async function launch(): Promise<void> {
    child = spawnOrthanc(configFile, logFile, dir.path, options.env);
    const givenUpAt = performance.now() + 40_000;
    for (;;) {
      if (!running()) throw new Error(`Orthanc ${name} ended while it started:\n${log().slice(-3_000)}`);
      const failure = await answered(`${url}/system`, authorization).then(
        () => null,
        (error: unknown) => error,
      );
      if (failure === null) return;
      if (performance.now() > givenUpAt) {
        await kill('SIGKILL');
        throw new Error(`Orthanc ${name} does not answer:\n${log().slice(-3_000)}`, { cause: failure });
      }
      await sleep(20);
    }
  }

  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!running()) return;
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      child.kill(signal);
      return;
    }
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  // Its storage is thrown away: a SIGTERM would only make every test file 4 s longer.
  async function stop(): Promise<void> {
    await kill('SIGKILL');
    await dir.remove();
  }

  try {
    await launch();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    name,
    url,
    httpPort,
    dicomPort,
    username,
    password,
    folder: dir.path,
    get pid() {
      return child.pid ?? 0;
    },
    get running() {
      return running();
    },
    log,
    kill,
    async restart(signal = 'SIGKILL') {
      await kill(signal);
      await launch();
    },
    stop,
    [Symbol.asyncDispose]: stop,
    fetch: (path, init = {}) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', authorization);
      return fetch(`${url}${path}`, { ...init, headers });
    },
  };
}

/** Any answer will do, 401 too: the credentials may be what is under test. */
async function answered(url: string, authorization: string): Promise<void> {
  const answer = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(2_000) });
  await answer.arrayBuffer();
}

/** The kernel kills it when this process ends, in whatever way: no test run leaves an Orthanc behind. */
function spawnOrthanc(
  configFile: string,
  logFile: string,
  cwd: string,
  env: OrthancOptions['env'],
): ChildProcess {
  // A file, not a pipe: a pipe that nobody reads would stall the Orthanc.
  const output = openSync(logFile, 'a');
  try {
    return spawn('setpriv', ['--pdeathsig', 'KILL', orthancCommand(), configFile], {
      cwd,
      stdio: ['ignore', output, output],
      env: { ...process.env, TCP_NODELAY: '1', ...env },
    });
  } finally {
    closeSync(output);
  }
}

type Config = Record<string, unknown>;

async function writeConfig(
  folder: string,
  options: OrthancOptions & {
    name: string;
    username: string;
    password: string;
    httpPort: number;
    dicomPort: number;
  },
): Promise<string> {
  const storage = options.storage ?? join(folder, 'storage');
  await mkdir(storage, { recursive: true });
  const config: Config = {
    Name: options.name,
    DicomAet: options.name.slice(0, 16),
    DicomCheckCalledAet: false,
    RemoteAccessAllowed: true,
    AuthenticationEnabled: true,
    RegisteredUsers: { [options.username]: options.password },
    KeepAlive: true,
    KeepAliveTimeout: 5,
    HttpThreadsCount: 50,
    DicomThreadsCount: 16,
    ConcurrentJobs: 16,
    JobsHistorySize: 1000,
    SaveJobs: false,
    // Tests kill processes, they do not cut the power: what was written is there.
    SyncStorageArea: false,
    StableAge: 1,
  };
  for (const file of options.configFiles ?? [])
    Object.assign(config, await readConfigFile(file, { ...process.env, ...options.env }));
  const scripts = Array.isArray(config.LuaScripts) ? config.LuaScripts : [];
  if (options.luaScript !== undefined) {
    const path = join(folder, 'script.lua');
    await writeFile(path, options.luaScript);
    Object.assign(config, { LuaScripts: [...scripts, path] });
  }
  Object.assign(config, options.config, {
    HttpPort: options.httpPort,
    DicomPort: options.dicomPort,
    StorageDirectory: storage,
    IndexDirectory: options.index ?? storage,
  });
  const path = join(folder, 'orthanc.json');
  await writeFile(path, JSON.stringify(config, null, 2));
  return path;
}

/** One file; the paths of its Lua scripts are relative to it and may hold variables, as Orthanc takes them. */
async function readConfigFile(file: string, env: NodeJS.ProcessEnv): Promise<Config> {
  const config: unknown = JSON.parse(stripJsonComments(await readFile(file, 'utf8')));
  if (typeof config !== 'object' || config === null) throw new Error(`${file} is no Orthanc configuration`);
  const scripts = 'LuaScripts' in config && Array.isArray(config.LuaScripts) ? config.LuaScripts : null;
  if (scripts === null) return { ...config };
  const absolute = scripts.map((script) => resolve(dirname(file), substituted(String(script), env)));
  return { ...config, LuaScripts: absolute };
}

/** `${NAME}` and `${NAME:-default}`. */
function substituted(text: string, env: NodeJS.ProcessEnv): string {
  return text.replaceAll(
    /\$\{(\w+)(?::-([^}]*))?\}/g,
    (_, name: string, otherwise: string | undefined) => env[name] ?? otherwise ?? '',
  );
}
