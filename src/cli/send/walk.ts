import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../user-error.ts';

export interface FoundFile {
  readonly path: string;
  readonly bytes: number;
}

/** A path that is not sent, with the reason in words. */
export interface LeftOut {
  readonly path: string;
  readonly reason: string;
}

export interface Walk {
  readonly files: readonly FoundFile[];
  readonly unreadable: readonly LeftOut[];
}

/**
 * Every file named or below a folder named, each once. Symbolic links are followed; a folder that was seen under its real
 * name is not entered again, so a link to a folder above ends there. Never throws for what it meets: it is listed.
 */
export async function walk(paths: readonly string[]): Promise<Walk> {
  const files: FoundFile[] = [];
  const unreadable: LeftOut[] = [];
  const seen = new Set<string>();
  const open = [...paths].toReversed();
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    try {
      const real = await realpath(path);
      if (seen.has(real)) continue;
      seen.add(real);
      const stats = await stat(real);
      if (stats.isDirectory()) {
        const entries = (await readdir(real, { withFileTypes: true })).toSorted(byName);
        for (const entry of entries.toReversed()) open.push(join(path, entry.name));
      } else if (stats.isFile()) files.push({ path, bytes: stats.size });
      else unreadable.push({ path, reason: 'is neither a file nor a folder' });
    } catch (error) {
      const code = systemCode(error);
      if (code === null) throw error;
      unreadable.push({ path, reason: whyUnreadable(code) });
    }
  }
  return { files, unreadable };
}

function whyUnreadable(code: string): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file or folder';
    case 'EACCES':
      return 'may not be read by you';
    default:
      return `cannot be read (${code})`;
  }
}

function byName(one: Dirent, other: Dirent): number {
  return one.name < other.name ? -1 : 1;
}
