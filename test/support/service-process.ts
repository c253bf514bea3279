import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { serviceCommand } from '../../src/farm/service-command.ts';
import { until } from './wait.ts';

const command = serviceCommand(resolve(import.meta.dirname, '../..'));

export interface ServiceProcess {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  readonly running: boolean;
  log(): string;
  /** Starts it, with more in its environment this once, and waits until it answers. */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Sends the signal, and waits for the end unless it only stops or continues. Resolves with the exit code or signal. */
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
  /** GET of the admin API, as parsed JSON. */
  get<T>(path: string): Promise<T>;
  request(path: string, init?: RequestInit): Promise<Response>;
}

/** The service as the farm runs it: the same command, with its environment. Not started yet. */
export function serviceProcess(options: {
  readonly port: number;
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  readonly token: string;
}): ServiceProcess {
  const url = `http://127.0.0.1:${options.port}`;
  const logFile = join(options.home, 'service.log');
  let child: ChildProcess | null = null;
  const running = (): boolean => child !== null && child.exitCode === null && child.signalCode === null;
  const log = (): string => {
    try {
      return readFileSync(logFile, 'utf8');
    } catch {
      return '';
    }
  };

  const request = (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${options.token}`);
    return fetch(`${url}${path}`, { signal: AbortSignal.timeout(20_000), ...init, headers });
  };

  return {
    url,
    token: options.token,
    get pid() {
      return child?.pid ?? 0;
    },
    get running() {
      return running();
    },
    log,
    async start(env = {}) {
      const output = openSync(logFile, 'a');
      // The kernel ends it together with this process, so that no test run leaves a service behind.
      child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, ...command.args], {
        stdio: ['ignore', output, output],
        env: { ...process.env, ...command.env, ...options.env, ...env },
      });
      closeSync(output);
      const state = await until(
        async () => {
          if (!running()) return 'ended';
          return (await fetch(`${url}/livez`, { signal: AbortSignal.timeout(2000) })).ok && 'up';
        },
        { what: 'the service to answer', timeoutMs: 30_000 },
      );
      if (state === 'ended') throw new Error(`the service ended:\n${log().slice(-3000)}`);
    },
    async kill(signal) {
      if (child === null || !running()) return null;
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
        child.kill(signal);
        return null;
      }
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
      return child.exitCode ?? child.signalCode;
    },
    request,
    async get<T>(path: string): Promise<T> {
      const answer = await request(path);
      if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
      // The shape is what the test at hand expects; a wrong one fails there.
      return (await answer.json()) as T;
    },
  };
}
