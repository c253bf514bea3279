import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { associate, storable } from '../balance/association.ts';
import { type Job, jobSchema, type Seen } from './job.ts';

/*
 * A modality, as a process of its own, so that nothing else that the bench does is in its times. It takes jobs on its standard input, a line
 * of JSON each, says "ready" when it has read the files, begins at the next line whatever that says, and ends each job with a line of
 * JSON. It stays for all jobs of a bench: a Node that has just started is slow, and that is nothing a modality is.
 */
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
for (;;) {
  const { value, done } = await lines.next();
  if (done === true) break;
  const job = jobSchema.parse(JSON.parse(value));
  const files = await Promise.all(job.files.map(async (file) => storable(await readFile(file))));
  console.log('ready');
  await lines.next();
  console.log(JSON.stringify(await run(job, files)));
}

async function run(job: Job, files: readonly ReturnType<typeof storable>[]): Promise<Seen> {
  const { port, callingAet, noDelay, paceMs, offsetMs } = job;
  const connectedAt = performance.now();
  const association = await associate(port, {
    sopClass: files[0]?.sopClass ?? '',
    callingAet,
    noDelay,
    isPiecemeal: true,
  });
  const associateMs = performance.now() - connectedAt;
  try {
    const storeMs: number[] = [];
    await sleep(offsetMs);
    const beganAt = performance.now();
    for (const [number, file] of files.entries()) {
      const earlyMs = paceMs === null ? 0 : beganAt + number * paceMs - performance.now();
      if (earlyMs > 0) await sleep(earlyMs);
      const sentAt = performance.now();
      await association.store(file);
      storeMs.push(performance.now() - sentAt);
    }
    const seconds = (performance.now() - beganAt) / 1000;
    const releasedAt = performance.now();
    await association.release();
    return { associateMs, storeMs, releaseMs: performance.now() - releasedAt, seconds };
  } finally {
    association.abort();
  }
}
