import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * Has this thread step back behind the others of the process, where the system can tell threads apart (Linux). For what may take long
 * while a hook is to be answered within milliseconds. Elsewhere nothing happens: it is a courtesy, and no condition.
 */
export function stepBack(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, 10);
  } catch (error) {
    // No such file, or no right to: the work is done all the same.
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}
