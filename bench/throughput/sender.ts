import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Sending {
  readonly port: number;
  /** Files for each association, in the order they are sent. */
  readonly perAssociation: readonly (readonly string[])[];
  /** Whether the sender switches Nagle's algorithm off; DCMTK as Debian has it leaves it on. */
  readonly noDelay: boolean;
}

export interface Sent {
  /** File → when its acknowledgement came, epoch milliseconds with a fraction. */
  readonly acknowledgedAt: ReadonlyMap<string, number>;
  readonly beganAt: number;
  /** When the last association ended. */
  readonly endedAt: number;
}

/**
 * Sends with DCMTK's storescu, a process for each association, all at once. They run at low priority: in life a modality is another
 * machine, and takes no CPU from what is measured.
 *
 * @throws Error when not every file was acknowledged, with storescu's last words
 */
export async function send({ port, perAssociation, noDelay }: Sending): Promise<Sent> {
  const acknowledgedAt = new Map<string, number>();
  const beganAt = epochMs();
  await Promise.all(perAssociation.map((files) => associate(port, files, noDelay, acknowledgedAt)));
  const endedAt = epochMs();
  const expected = perAssociation.reduce((sum, files) => sum + files.length, 0);
  if (acknowledgedAt.size !== expected) {
    throw new Error(`${expected - acknowledgedAt.size} of ${expected} files were not acknowledged`);
  }
  return { acknowledgedAt, beganAt, endedAt };
}

/** Epoch milliseconds, finer than Date.now(). */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

async function associate(
  port: number,
  files: readonly string[],
  noDelay: boolean,
  acknowledgedAt: Map<string, number>,
): Promise<void> {
  const { TCP_NODELAY: _, ...env } = process.env;
  const child = spawn(
    'nice',
    ['-n', '19', 'storescu', '-v', '-aec', 'ANY', '127.0.0.1', String(port), ...files],
    { stdio: ['ignore', 'pipe', 'pipe'], env: noDelay ? { ...env, TCP_NODELAY: '1' } : env },
  );
  const exited = once(child, 'exit');
  let file: string | null = null;
  let words: string[] = [];
  const read = (line: string): void => {
    file = /^I: Sending file: (.*)$/.exec(line)?.[1] ?? file;
    if (file !== null && line.startsWith('I: Received Store Response (Success)')) {
      acknowledgedAt.set(file, epochMs());
      file = null;
    }
    words = [...words.slice(-5), line];
  };
  await Promise.all([
    exited,
    ...[child.stdout, child.stderr].map(async (stream) => {
      for await (const line of createInterface({ input: stream })) read(line);
    }),
  ]);
  if (child.exitCode !== 0) throw new Error(`storescu ended with ${child.exitCode}: ${words.join(' / ')}`);
}
