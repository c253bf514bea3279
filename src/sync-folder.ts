import { closeSync, fsyncSync, openSync } from 'node:fs';

/** A new file, or a new name, is only there after a power cut if its folder's entry is. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
