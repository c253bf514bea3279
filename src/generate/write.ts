import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Path inside the project → content. */
export type GeneratedFiles = ReadonlyMap<string, string>;

/** Paths whose file under `root` is missing or has another content, in the order of `files`. */
export function staleFiles(root: string, files: GeneratedFiles): readonly string[] {
  return [...files]
    .filter(([path, content]) => contentOf(join(root, path)) !== content)
    .map(([path]) => path);
}

/**
 * Writes what is stale, each file at once by renaming, and returns those paths. Files that are up to date are not touched,
 * so that whoever watches them sees only real changes.
 *
 * @throws the system error of the first file that cannot be written; those before it are written.
 */
export function writeGenerated(root: string, files: GeneratedFiles): readonly string[] {
  const stale = staleFiles(root, files);
  for (const path of stale) {
    const content = files.get(path);
    if (content !== undefined) replaceFile(join(root, path), content);
  }
  return stale;
}

function contentOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // Whatever else keeps it from being read will be said by the attempt to write it.
    if (error instanceof Error) return null;
    throw error;
  }
}

function replaceFile(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}
