import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openLedger } from '../../src/ledger/open.ts';
import { tempDir } from '../support/temp.ts';
import { Driver } from './model-driver.ts';
import { Eye } from './model-eye.ts';
import { anyStep } from './model-steps.ts';
import { check, checkFinished } from './model-verdict.ts';

test('whatever comes in whatever order, what must hold holds, and in the end every study is where it is bound', async () => {
  await using folder = await tempDir('model');
  let run = 0;
  const seen = { removals: 0, rebinds: 0, healed: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 20, maxLength: 160, size: 'max' }), async (steps) => {
      run += 1;
      const file = `${folder.path}/${run}.db`;
      const driver = new Driver(openLedger(file), new Eye(file));
      try {
        for (const next of steps) {
          driver.take(next);
          check(driver);
        }
        driver.finish();
        checkFinished(driver);
        seen.removals += driver.removals;
        seen.rebinds += driver.rebinds;
        seen.healed += driver.world.healed;
      } finally {
        driver.eye.close();
        await driver.ledger.close();
      }
    }),
    // Making a counterexample small may take minutes: it is told as small as it has become when the time is nearly over.
    { numRuns: 25, endOnFailure: false, interruptAfterTimeLimit: 50_000, markInterruptAsFailure: true },
  );
  // A random walk that never gets as far as these would show nothing.
  expect(seen.removals).toBeGreaterThan(10);
  expect(seen.rebinds).toBeGreaterThan(10);
  expect(seen.healed).toBeGreaterThan(3);
});
