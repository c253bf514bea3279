import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type GeneratedFiles, generateFiles, writeGenerated } from '../generate/generate.ts';
import type { Logger } from '../log.ts';
import { readTopologyText, TopologyFileError } from '../topology/file.ts';
import { parseTopology } from '../topology/load.ts';
import { TopologyError } from '../topology/problems.ts';
import type { Variables } from '../topology/variables.ts';
import { systemCode } from '../user-error.ts';

/** Where the topology of a running service came from. */
export interface TopologySource {
  readonly file: string;
  readonly variables: Variables;
  /** Folder the generated files count from. */
  readonly generatedRoot: string;
}

export interface FollowingFiles {
  /** The topology file was changed. Never throws: the fronts that run are put right in any case. */
  follow(): void;
}

/** Path → hash of what stood there when it was as the topology said. */
const known = z.record(z.string(), z.string());

/**
 * Keeps the generated files as the topology says, those that were so before it was changed: a front that is started anew then has the
 * peers of now, and `dde generate --check` finds nothing. What somebody else made or changed, or keeps elsewhere, is left as it is.
 *
 * Which files those are is kept in the state folder: whoever is killed after the topology was written, and before they were, finds
 * them again at the next start.
 */
export function createGeneratedFiles(source: TopologySource, home: string, log: Logger): FollowingFiles {
  const { file, variables, generatedRoot } = source;
  const record = join(home, 'generated.json');

  function wanted(): GeneratedFiles | null {
    try {
      return generateFiles(parseTopology(file, readTopologyText(file).text, variables, 'generate'));
    } catch (error) {
      // What is wrong with it is said where it is read for the service.
      if (error instanceof TopologyError || error instanceof TopologyFileError) return null;
      throw error;
    }
  }

  function followOrThrow(): void {
    const files = wanted();
    if (files === null) return;
    const before = recorded(record);
    const found = new Map([...files.keys()].map((path) => [path, hashOf(join(generatedRoot, path))]));
    const anyOurs = [...found].some(([path, hash]) => hash !== null && hash === before[path]);
    const due = new Map(
      [...files].filter(([path, content]) => {
        const hash = found.get(path) ?? null;
        if (hash === hashed(content)) return false;
        return before[path] === undefined ? hash === null && anyOurs : hash === before[path];
      }),
    );
    const written = writeGenerated(generatedRoot, due);
    if (written.length > 0) log.info('generated files brought up to date', { files: written.join(', ') });
    const now = Object.fromEntries(
      [...files].flatMap(([path, content]) => {
        const isSo = due.has(path) || found.get(path) === hashed(content);
        return isSo ? [[path, hashed(content)]] : [];
      }),
    );
    if (JSON.stringify(now) !== JSON.stringify(before)) keep(record, now);
  }

  function follow(): void {
    try {
      followOrThrow();
    } catch (error) {
      const code = systemCode(error);
      if (code === null) throw error;
      log.warn('generated files could not be brought up to date; "dde generate" does it', { code });
    }
  }

  follow();
  return { follow };
}

function recorded(record: string): Readonly<Record<string, string>> {
  try {
    const read: unknown = JSON.parse(readFileSync(record, 'utf8'));
    return known.safeParse(read).data ?? {};
  } catch (error) {
    // Without it nothing is taken for ours but what is as it should be.
    if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return {};
    throw error;
  }
}

function keep(record: string, now: Readonly<Record<string, string>>): void {
  mkdirSync(dirname(record), { recursive: true });
  const temporary = `${record}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(now)}\n`, { mode: 0o600 });
  renameSync(temporary, record);
}

/** Null: there is no such file. */
function hashOf(file: string): string | null {
  try {
    return hashed(readFileSync(file));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function hashed(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('base64url');
}
