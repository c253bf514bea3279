import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder that holds package.json. */
export const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const binFolder = join(project, 'node_modules', '.bin');

/** Debian keeps Orthanc in /usr/sbin, which is not in an ordinary user's PATH. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** PATH for the project's own programs: Node 24 of node_modules first, Orthanc found for everybody. */
export function projectPath(path = process.env.PATH ?? '') {
  return unique([binFolder, ...path.split(delimiter), ...systemFolders]).join(delimiter);
}

/** PATH without any node_modules, for set-up itself: it must not stand on the Node that it is about to replace. */
export function systemPath(path = process.env.PATH ?? '') {
  const outside = path.split(delimiter).filter((folder) => !folder.split(sep).includes('node_modules'));
  return unique([...outside, ...systemFolders]).join(delimiter);
}

function unique(folders) {
  return [...new Set(folders.filter((folder) => folder !== ''))];
}

/** Full path of a program, or null. A name with a slash is looked at as it is. */
export function findProgram(name, path) {
  const candidates = name.includes(sep) ? [name] : path.split(delimiter).map((folder) => join(folder, name));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    // Whatever the reason, it is not one we could run.
    return false;
  }
}

/**
 * Runs a program quietly and keeps what it said.
 *
 * @returns {Promise<{ code: number, output: string }>} code 127 when it could not be started.
 */
export function capture(program, args, { cwd = project, env = process.env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-200_000);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.on('error', (error) => resolve({ code: 127, output: `${output}${error.message}` }));
    child.on('close', (code, signal) => resolve({ code: exitCode(code, signal), output }));
  });
}

/**
 * Runs a program in our place: same terminal, signals handed on, and its exit code (128 + number for a signal, as a shell
 * would say).
 *
 * Ctrl-C reaches it twice, from the terminal and from us; it is meant to take that for one. The other way round, a program
 * that hears nothing when only we are signalled, would outlive us. Where `setpriv` exists, it also learns of our sudden end.
 */
export async function inPlace(program, args, { cwd = process.cwd(), env = process.env } = {}) {
  const setpriv = process.platform === 'linux' ? findProgram('setpriv', systemPath()) : null;
  const [command, ...rest] =
    setpriv === null ? [program, ...args] : [setpriv, '--pdeathsig', 'TERM', program, ...args];
  const child = spawn(command, rest, { cwd, env, stdio: 'inherit' });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const handOn = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, handOn);
  try {
    // Rejects when the program cannot be started.
    const [code, signal] = await once(child, 'close');
    return exitCode(code, signal);
  } finally {
    for (const signal of signals) process.off(signal, handOn);
  }
}

function exitCode(code, signal) {
  return code ?? 128 + (osConstants.signals[signal] ?? 0);
}
