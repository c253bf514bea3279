import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isClean, summarize, table } from '../../bench/chaos/report.ts';
import { run } from '../../bench/chaos/run.ts';

/** Five rounds found to have most of the main faults between them in little time. */
const firstSeed = 151_528;
const rounds = 5;
const mainFaults = [
  'front killed (-9)',
  'front restarted',
  'front disk full',
  'service killed (-9)',
  'service clock jumps',
  'backend killed (-9)',
  'backend frozen (SIGSTOP)',
  'backend way stalls',
  'backend way delivers twice',
  'backend way delivers, loses the answer',
  'backend way flips a bit of requests',
];

test('nothing acknowledged is lost, wrong, on two backends or without a receipt, whatever fails', async () => {
  const result = await run({
    seed: firstSeed,
    rounds,
    minutes: null,
    recoveryMs: 90_000,
    // Not in the folder of this run, which goes with it: made only when there is something to look at.
    evidenceFolder: join(tmpdir(), `dde-chaos-${process.pid}`),
  });
  const summary = summarize(result);
  const failed = result.rounds.filter((round) => round.failed);
  expect(isClean(result), `${table(summary)}\n${JSON.stringify(failed, null, 1)}`).toBe(true);
  expect(summary.rounds).toBe(rounds);
  expect(summary.acknowledged).toBeGreaterThan(300);
  const inflicted = new Set(result.rounds.flatMap((round) => round.faults.map((fault) => fault.name)));
  for (const fault of mainFaults) expect(inflicted).toContain(fault);
}, 300_000);
