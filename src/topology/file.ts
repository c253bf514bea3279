import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../sync-folder.ts';
import { systemCode } from '../user-error.ts';

export interface TopologyText {
  readonly text: string;
  /** Tells two states of the text apart. */
  readonly tag: string;
}

/** Why the file was not written; `message` is for a person. */
export class TopologyFileError extends Error {
  readonly code: 'changed' | 'read-only' | 'unreadable';
  constructor(code: TopologyFileError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TopologyFileError';
    this.code = code;
  }
}

/** @throws TopologyFileError `unreadable` */
export function readTopologyText(file: string): TopologyText {
  try {
    const text = readFileSync(file, 'utf8');
    return { text, tag: tagOf(text) };
  } catch (error) {
    const code = systemCode(error);
    if (code === null) throw error;
    throw new TopologyFileError('unreadable', `${file} cannot be read (${code}).`, error);
  }
}

export function tagOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Why the file cannot be replaced here; null: nothing is known that is in the way. */
export function whyReadOnly(file: string): string | null {
  try {
    const real = realpathSync(file);
    // Its mode by itself too: to root everything seems writable.
    if ((statSync(real).mode & 0o222) === 0) return `${file} is read-only`;
    accessSync(real, constants.W_OK);
    accessSync(dirname(real), constants.W_OK);
    return null;
  } catch (error) {
    const code = systemCode(error);
    if (code === null) throw error;
    return `${file} may not be written here (${code})`;
  }
}

/**
 * Puts the text in the file's place, at once and on disk: whoever reads it, and whenever the power goes, there is the one or the other,
 * whole. Nothing is awaited, so no other change of this process comes in between; `tag`: what it was when it was read.
 *
 * @throws TopologyFileError `changed`, `read-only`
 */
export function replaceTopologyText(file: string, text: string, tag: string): void {
  const why = whyReadOnly(file);
  if (why !== null) throw readOnly(why);
  // A link goes on being one.
  const real = realpathSync(file);
  const temporary = `${real}.${process.pid}.tmp`;
  try {
    const descriptor = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(descriptor, text);
      fchmodSync(descriptor, statSync(real).mode & 0o777);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (readTopologyText(real).tag !== tag)
      throw new TopologyFileError(
        'changed',
        `${file} was changed by somebody else meanwhile; look at it, and try again.`,
      );
    renameSync(temporary, real);
    syncFolder(dirname(real));
  } catch (error) {
    const code = error instanceof TopologyFileError ? null : systemCode(error);
    if (code === null) throw error;
    // EBUSY: it is mounted by itself, as into a container.
    throw readOnly(`${file} cannot be replaced here (${code})`, error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function readOnly(why: string, cause?: unknown): TopologyFileError {
  return new TopologyFileError(
    'read-only',
    `${why}: change it where it is kept; the service takes it over.`,
    cause,
  );
}
