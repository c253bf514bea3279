import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type LogFormat, type LogLevel, logLevels } from './log-levels.ts';
import { parseSize, sizeForm } from './topology/units.ts';
import { systemCode, UserError } from './user-error.ts';

/** Everything this program takes from its environment, read and checked once. Paths are absolute. */
export interface Environment {
  /** Folder of this installation: the one that holds package.json. */
  readonly project: string;
  /** Folder of all state: ledger, Orthanc storage, logs, generated secrets. */
  readonly home: string;
  readonly topologyFile: string;
  /** Null until somebody sets one or the farm generates one. */
  readonly adminToken: string | null;
  readonly adminTokenFile: string;
  /** The fronts' own token for the hook; null as above. */
  readonly hookToken: string | null;
  readonly secretsFile: string;
  /** Program the farm starts: a name looked up in PATH, or a path. */
  readonly orthanc: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** For the logs of the local farm. */
  readonly logLimits: { readonly maxBytes: number; readonly files: number };
  /** Stack traces of failures are shown. */
  readonly debug: boolean;
  /** What `${NAME}` in the topology may refer to: the process's environment over the generated secrets. */
  readonly variables: Readonly<Record<string, string>>;
}

/** All that is wrong with the environment, at once. */
export class EnvironmentError extends UserError {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'EnvironmentError';
    this.problems = problems;
  }
}

const leastLogBytes = 100_000;
const logFormats: readonly LogFormat[] = ['text', 'json'];

/**
 * Reads the environment: the only place that does. Relative paths in it count from `cwd`; the defaults count from the
 * project, so that `dde` finds the same farm from every folder. A variable set to nothing counts as not set, because that
 * is what compose files and CI systems hand over for a missing value.
 *
 * @throws EnvironmentError with every problem found.
 */
export function readEnvironment(env: NodeJS.ProcessEnv, cwd: string): Environment {
  const problems: string[] = [];
  const value = (name: string): string | null => {
    const text = env[name];
    return text === undefined || text === '' ? null : text;
  };
  const path = (name: string, fallback: string): string => {
    const text = value(name);
    return text === null ? fallback : resolve(cwd, text);
  };
  const oneOf = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const text = value(name);
    if (text === null) return fallback;
    const known = allowed.find((candidate) => candidate === text);
    if (known === undefined)
      problems.push(`${name} is "${text}", but must be one of: ${allowed.join(', ')}.`);
    return known ?? fallback;
  };
  const logSize = (): number => {
    const text = value('DDE_LOG_MAX_SIZE') ?? '20 MB';
    const size = parseSize(text);
    if (size === null || size < leastLogBytes)
      problems.push(`DDE_LOG_MAX_SIZE is "${text}", but must be ${sizeForm}, and no less than 100 kB.`);
    return size ?? leastLogBytes;
  };
  const logFiles = (): number => {
    const text = value('DDE_LOG_FILES') ?? '10';
    const files = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    if (files < 1) problems.push(`DDE_LOG_FILES is "${text}", but must be a whole number from 1 to 999.`);
    return files;
  };
  const attempt = <T>(read: () => T, fallback: T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error.message);
      return fallback;
    }
  };

  const project = dirname(import.meta.dirname);
  const home = path('DDE_HOME', join(project, '.dde'));
  const secretsFile = join(home, 'secrets.env');
  const secrets = attempt(() => readSecrets(secretsFile), {});
  const adminTokenFile = path('DDE_ADMIN_TOKEN_FILE', join(home, 'admin-token'));
  const token = (name: string, file: string | null, generated: string | null): string | null => {
    const found = value(name) ?? (file === null ? null : attempt(() => readSecret(file), null)) ?? generated;
    if (found !== null && !/^[\x21-\x7e]{8,}$/.test(found))
      problems.push(`The token of ${name} must be at least 8 printable characters without spaces.`);
    return found;
  };
  const hookTokenFile = value('DDE_HOOK_TOKEN_FILE');
  const orthanc = value('DDE_ORTHANC') ?? 'Orthanc';

  const environment: Environment = {
    project,
    home,
    topologyFile: path('DDE_TOPOLOGY', join(project, 'orthanc-config', 'topology.yaml')),
    adminToken: token('DDE_ADMIN_TOKEN', adminTokenFile, null),
    adminTokenFile,
    hookToken: token(
      'DDE_HOOK_TOKEN',
      hookTokenFile === null ? null : resolve(cwd, hookTokenFile),
      secrets['DDE_HOOK_TOKEN'] ?? null,
    ),
    secretsFile,
    orthanc: orthanc.includes('/') ? resolve(cwd, orthanc) : orthanc,
    logLevel: oneOf('DDE_LOG_LEVEL', logLevels, 'info'),
    logFormat: oneOf('DDE_LOG_FORMAT', logFormats, 'text'),
    logLimits: { maxBytes: logSize(), files: logFiles() },
    debug: value('DDE_DEBUG') !== null,
    variables: { ...secrets, ...withoutGaps(env) },
  };
  if (problems.length > 0) throw new EnvironmentError(problems);
  return environment;
}

/**
 * The generated secrets, `NAME=value` a line; none where the file does not exist yet.
 *
 * @throws UserError when it cannot be read or a line is something else.
 */
export function readSecrets(file: string): Record<string, string> {
  const text = readSecret(file) ?? '';
  const secrets: Record<string, string> = {};
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([A-Z][A-Z0-9_]*)=([\x21-\x7e]+)$/.exec(line);
    // The line itself is not repeated: it may be half a secret.
    if (match?.[1] === undefined || match[2] === undefined)
      throw new UserError(
        `${file}, line ${index + 1}: expected NAME=value; mend the line, or remove the file to have new secrets made.`,
      );
    secrets[match[1]] = match[2];
  }
  return secrets;
}

/** A file's text without surrounding blanks; null when there is no such file, or it is empty. */
function readSecret(file: string): string | null {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return text === '' ? null : text;
  } catch (error) {
    const code = systemCode(error);
    // ENOTDIR: the state folder itself is in the way, which is said when it is made.
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new UserError(`${file} cannot be read (${code ?? 'unknown error'}).`, { cause: error });
  }
}

function withoutGaps(env: NodeJS.ProcessEnv): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, text] of Object.entries(env))
    if (text !== undefined && text !== '') variables[name] = text;
  return variables;
}
