import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Unmounts whatever is mounted below a folder. Lazily: a process that is just dying may still have a file open there, and
 * the mount must be gone from the tree before the folder can be removed.
 */
export function unmountBelow(folder: string): void {
  for (const point of mountPoints().filter((path) => path.startsWith(`${folder}/`))) {
    const { status, stderr } = spawnSync('umount', ['--lazy', point], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${point} cannot be unmounted: ${stderr}`);
  }
}

/** The innermost first, as they have to be unmounted. */
function mountPoints(): string[] {
  let table: string;
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    // No such file, no Linux: nothing was mounted either.
    return [];
  }
  return table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((path) =>
      path.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCodePoint(parseInt(octal, 8))),
    )
    .toSorted((one, other) => other.length - one.length);
}
