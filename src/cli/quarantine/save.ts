import { createWriteStream } from 'node:fs';
import { link, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { systemCode, UserError } from '../../user-error.ts';

/**
 * Writes what `open` gives into a new file. It has its name only when it is whole, and is readable by its owner alone: it
 * holds a patient's data.
 *
 * @throws UserError when there is such a file already, or it cannot be written; Error when it broke off
 */
export async function saveFile(
  open: () => Promise<{ readonly file: Readable; readonly bytes: number | null }>,
  folder: string,
  name: string,
): Promise<{ readonly file: string; readonly bytes: number }> {
  const file = resolve(folder, name);
  const part = `${file}.part`;
  if (await exists(file)) throw taken(file);
  const { file: source, bytes } = await open();
  const sink = createWriteStream(part, { flags: 'w', mode: 0o600 });
  try {
    await pipeline(source, sink);
    if (bytes !== null && sink.bytesWritten !== bytes) {
      throw new Error(`Only ${sink.bytesWritten} of ${bytes} bytes came; nothing was saved.`);
    }
    // A link, unlike a rename, fails where somebody else was faster.
    await link(part, file);
    return { file, bytes: sink.bytesWritten };
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') throw taken(file, error);
    if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') {
      throw new Error('It broke off in the middle; nothing was saved.', { cause: error });
    }
    if (code !== null && /^E[A-Z]+$/.test(code)) {
      throw new UserError(`${file} cannot be written (${code}).`, { cause: error });
    }
    throw error;
  } finally {
    await rm(part, { force: true });
  }
}

function taken(file: string, cause?: unknown): UserError {
  return new UserError(`${file} is there already; name another file.`, { cause });
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw new UserError(`${file} cannot be written (${systemCode(error) ?? 'unknown error'}).`, {
      cause: error,
    });
  }
}
