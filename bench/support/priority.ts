import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

const autogroupFile = '/proc/self/autogroup';
const first = -10;
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * What else runs on this machine shall not be what is measured: this process and what it starts go first, where this account may say so.
 * Where Linux shares the CPU out by session before it looks at processes (sched(7), autogroup) the session has to go first too.
 *
 * Returns the way to end it for the session, which is also that of whoever started this; a signal that ends this process ends it as
 * well. Null when it could not be had.
 */
export function goFirst(): (() => void) | null {
  try {
    setPriority(first);
    const before = / nice (-?\d+)/.exec(readFileSync(autogroupFile, 'latin1'))?.[1];
    if (before === undefined) return () => undefined;
    writeFileSync(autogroupFile, String(first));
    const end = (): void => writeFileSync(autogroupFile, before);
    const endBy = (signal: NodeJS.Signals): void => {
      end();
      process.kill(process.pid, signal);
    };
    for (const signal of endings) process.once(signal, endBy);
    return () => {
      for (const signal of endings) process.off(signal, endBy);
      end();
    };
  } catch {
    // No right to, or a kernel without autogroups: the figures say how busy the machine was.
    return null;
  }
}
