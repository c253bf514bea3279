import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isClean, summarize, table } from '../../bench/chaos/report.ts';
import { run } from '../../bench/chaos/run.ts';
import { tempDir } from '../support/temp.ts';

/** Seeds whose rounds have the main faults between them: see the names below. */
const firstSeed = 1;
const rounds = 5;

test('nothing acknowledged is lost, wrong, on two backends or without a receipt, whatever fails', async () => {
  await using dir = await tempDir('evidence');
  const result = await run({
    seed: firstSeed,
    rounds,
    minutes: null,
    recoveryMs: 90_000,
    evidenceFolder: dir.path,
  });
  const summary = summarize(result);
  const failed = result.rounds.filter((round) => round.failed);
  expect(isClean(result), `${table(summary)}\n${JSON.stringify(failed, null, 1)}`).toBe(true);
  expect(summary.rounds).toBe(rounds);
  expect(summary.acknowledged).toBeGreaterThan(300);
  expect(existsSync(dir.path)).toBe(true);
}, 300_000);
