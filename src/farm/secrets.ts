import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type Environment, readSecrets } from '../environment.ts';
import { systemCode, UserError } from '../user-error.ts';

/**
 * Makes what the local farm needs to be secret and nobody has set: the hook's token and the named passwords into
 * `secrets.env`, and the admin token into its file. What exists is never changed: an Orthanc, a browser and a script may
 * have remembered it.
 *
 * Dying in between leaves each file either whole or not there, and the next call makes the rest.
 *
 * @param passwordVariables names of the variables that carry a password, such as `DDE_FRONT_PASSWORD`.
 * @returns names of what was made now.
 * @throws UserError when the folder or a file cannot be used.
 */
export function ensureSecrets(
  environment: Environment,
  passwordVariables: readonly string[],
): readonly string[] {
  const { home, secretsFile, adminTokenFile } = environment;
  makePrivateFolder(home);
  mendMode(secretsFile);
  const secrets = readSecrets(secretsFile);
  const missing = ['DDE_HOOK_TOKEN', ...passwordVariables].filter(
    // A token that came in a file of its own is in no variable.
    (name) =>
      environment.variables[name] === undefined &&
      !(name === 'DDE_HOOK_TOKEN' && environment.hookToken !== null),
  );
  const made = [...new Set(missing)];
  if (made.length > 0) {
    for (const name of made) secrets[name] = secret();
    const lines = Object.entries(secrets).map(([name, value]) => `${name}=${value}`);
    replaceFile(
      secretsFile,
      ['# Made by dde up, once. Remove a line to have a new one made at the next start.', ...lines, ''].join(
        '\n',
      ),
    );
  }
  if (environment.adminToken !== null) {
    // One that somebody else manages (a mounted secret, say) keeps the mode they gave it.
    if (dirname(adminTokenFile) === home) mendMode(adminTokenFile);
    return made;
  }
  createFile(adminTokenFile, `${secret()}\n`);
  return [...made, 'DDE_ADMIN_TOKEN'];
}

/** 192 bits; characters that need no quoting in a URL, a shell, YAML or Orthanc's JSON. */
function secret(): string {
  return randomBytes(24).toString('base64url');
}

function makePrivateFolder(folder: string): void {
  attempt(folder, () => {
    // An existing folder keeps the mode its owner gave it, as long as what is inside has its own; only a new one is closed.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  });
}

/** A secret that others can read is closed again rather than refused: nothing is gained by making a person type chmod. */
function mendMode(file: string): void {
  try {
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw new UserError(
      `${file} can be read by others and is not ours to close: chmod 600 it, or remove it to have a new one made.`,
      {
        cause: error,
      },
    );
  }
}

function replaceFile(file: string, content: string): void {
  attempt(file, () => withTemporary(file, content, (temporary) => renameSync(temporary, file)));
}

/** Never over an existing file: whoever was first wins, so that two starts at once agree on one token. */
function createFile(file: string, content: string): void {
  attempt(file, () =>
    withTemporary(file, content, (temporary) => {
      try {
        linkSync(temporary, file);
      } catch (error) {
        // An empty file is what a full disk leaves behind of a hand-made one.
        if (systemCode(error) !== 'EEXIST') throw error;
        if (statSync(file).size === 0) renameSync(temporary, file);
      }
    }),
  );
}

/** The content is on the disk before it gets its name: after a power cut there is no half or empty secret under it. */
function withTemporary(file: string, content: string, use: (temporary: string) => void): void {
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    use(temporary);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function attempt(path: string, step: () => void): void {
  try {
    step();
  } catch (error) {
    throw new UserError(`${path} cannot be written: ${whyNot(error)}`, { cause: error });
  }
}

/** A system error in words a person can act on. */
export function whyNot(error: unknown): string {
  const code = systemCode(error);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full; make room, or set DDE_HOME to a folder on another disk.';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied; set DDE_HOME to a folder of your own.';
    case 'EROFS':
      return 'the file system is read-only; set DDE_HOME to a folder that can be written.';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of this path is a file, not a folder; set DDE_HOME to another folder.';
    default:
      return `${error instanceof Error ? error.message : String(error)}.`;
  }
}
