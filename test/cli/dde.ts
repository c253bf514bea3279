import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { run } from '../../src/cli/program.ts';
import type { Farm } from '../support/farm.ts';

export const root = join(import.meta.dirname, '..', '..');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function environmentOf(farm: Farm, more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DDE_HOME: farm.home,
    DDE_TOPOLOGY: farm.topology.file,
    DDE_ADMIN_TOKEN: 'token-of-this-test-farm',
    DDE_FRONT_PASSWORD: 'front-password',
    DDE_SERVICE_URL: farm.topology.service.url,
    ...more,
  };
}

/** Runs `dde` against this farm, in the farm's folder and without a terminal. In this process: a new one costs half a second each. */
export async function runDde(
  farm: Farm,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  let out = '';
  let err = '';
  const code = await run(args, {
    stdout: { write: (some) => (out += some) },
    stderr: { write: (some) => (err += some) },
    env: environmentOf(farm, more),
    cwd: farm.home,
  });
  return { code, out, err };
}

/** The same at a terminal, at which this is typed. */
export async function typeDde(farm: Farm, args: readonly string[], answer: string): Promise<Ran> {
  let out = '';
  let err = '';
  const stdin = Object.assign(Readable.from([answer]), { isTTY: true });
  const code = await run(args, {
    stdin,
    stdout: { isTTY: true, columns: 80, write: (some) => (out += some) },
    stderr: { write: (some) => (err += some) },
    env: environmentOf(farm, { NO_COLOR: '1' }),
    cwd: farm.home,
  });
  return { code, out, err };
}

/** One that goes on until what it has written is enough; then it is stopped, as by Ctrl-C. */
export async function followDde(
  farm: Farm,
  args: readonly string[],
  isEnough: (out: string, err: string) => boolean,
  look: { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number } = {},
): Promise<Ran> {
  let out = '';
  let err = '';
  let stop: (() => void) | null = null;
  const check = (): void => {
    if (isEnough(out, err)) stop?.();
  };
  const code = await run(args, {
    stdout: {
      ...look,
      write: (some) => {
        out += some;
        check();
      },
    },
    stderr: {
      write: (some) => {
        err += some;
        check();
      },
    },
    env: environmentOf(farm, { NO_COLOR: '1' }),
    cwd: farm.home,
    onStop: (end) => {
      stop = end;
      return () => {
        stop = null;
      };
    },
  });
  return { code, out, err };
}

/** The same as a process of its own. */
export async function spawnDde(farm: Farm, args: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, [join(root, 'src/cli/dde.ts'), ...args], {
    env: environmentOf(farm, {}),
    cwd: farm.home,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

/** What it answers fits into 80 columns. */
export function isNarrow({ out }: Ran): boolean {
  return out.split('\n').every((line) => line.length <= 80);
}
