import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../sync-folder.ts';

/** Passwords that came through the service: a file each, which the topology names. */
export interface SecretFiles {
  /** On disk, readable by nobody else. A new file each time: until the topology names it, the old one counts. */
  keep(name: string, password: string): string;
  drop(file: string): void;
  /** Ends all files of this backend but `file`. */
  dropOthers(name: string, file: string | null): void;
}

export function createSecretFiles(home: string): SecretFiles {
  const folder = join(home, 'secrets');
  const drop = (file: string): void => rmSync(file, { force: true });
  return {
    keep(name, password) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const file = join(folder, `${name}.${randomBytes(6).toString('hex')}.password`);
      const descriptor = openSync(file, 'wx', 0o600);
      try {
        writeFileSync(descriptor, `${password}\n`);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      syncFolder(folder);
      return file;
    },
    drop,
    dropOthers(name, file) {
      if (!existsSync(folder)) return;
      for (const entry of readdirSync(folder)) {
        const path = join(folder, entry);
        if (path !== file && entry.startsWith(`${name}.`) && entry.endsWith('.password')) drop(path);
      }
    },
  };
}
