import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** @throws Error that says what to install */
export function findProgram(name: string): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  throw new Error(`${name} is missing: "apt-get install ${name}" brings it`);
}
