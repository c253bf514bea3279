import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Job, type Seen, seenSchema } from './job.ts';

/** Several modalities, each a process of its own. */
export interface Modalities extends AsyncDisposable {
  /**
   * Each does one of the jobs; they begin together, when all are ready.
   *
   * @throws Error when there are more jobs than modalities, or one of them fails: with its last words
   */
  send(jobs: readonly Job[]): Promise<readonly Seen[]>;
}

interface Modality {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string, undefined>;
  words: string;
}

/** Starts so many, at low priority: in life a modality is another machine, and takes no CPU from what is measured. */
export function startModalities(count: number): Modalities {
  const all = Array.from({ length: count }, start);
  return {
    async send(jobs) {
      const pairs = jobs.map((job, index) => {
        const modality = all[index];
        if (modality === undefined) throw new Error(`${jobs.length} jobs for ${count} modalities`);
        return { job, modality };
      });
      await Promise.all(
        pairs.map(async ({ job, modality }) => {
          tell(modality, JSON.stringify(job));
          const answer = await hear(modality);
          if (answer !== 'ready') throw new Error(`a modality said "${answer}" instead of being ready`);
        }),
      );
      for (const { modality } of pairs) tell(modality, 'go');
      return await Promise.all(
        pairs.map(async ({ modality }) => seenSchema.parse(JSON.parse(await hear(modality)))),
      );
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map(({ child }) => ended(child)));
    },
  };
}

function start(): Modality {
  // The kernel ends it together with this process.
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'nice', '-n', '19', process.execPath, join(import.meta.dirname, 'sender.ts')],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  // Whoever waits for its answer hears of its end; writing to one that has ended is no more than that.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const modality: Modality = { child, lines, words: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    modality.words = (modality.words + text).slice(-2000);
  });
  return modality;
}

function tell({ child }: Modality, line: string): void {
  child.stdin?.write(`${line}\n`);
}

async function hear(modality: Modality): Promise<string> {
  const { value, done } = await modality.lines.next();
  if (done !== true) return value;
  await ended(modality.child);
  throw new Error(`a modality ended with ${modality.child.exitCode}: ${modality.words}`);
}

/** It ends by itself when it is told no more. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.stdin?.end();
  await exited;
}
