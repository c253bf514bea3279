import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';

const root = resolve(import.meta.dirname, '../..');
const side = z.array(
  z.object({
    fast: z.object({ provenPerSecond: z.number().positive() }),
    paced: z.object({ provenPerSecond: z.number().positive() }),
    outcome: z.object({ proven: z.number(), waiting: z.number() }),
  }),
);
const answer = z.object({ rows: z.number(), sides: z.object({ full: side, empty: side }) });

test('the whole bench in small: light Orthancs understand all that the service asks, and every image is found proven', async () => {
  const small = { instances: 800, rows: 3000, backends: 2, measured: 120, repeats: 1, calls: 1, hooks: 50 };
  const words = Object.entries(small).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((done) => {
    // Its exit code is about figures of the machine, which here other tests use too.
    execFile(
      process.execPath,
      [join(root, 'bench/scale.ts'), ...words, '--json'],
      { cwd: root },
      (_, out, err) => done({ stdout: out, stderr: err }),
    );
  });
  expect(stdout, stderr).toMatch(/^\{/);
  const { rows, sides } = answer.parse(JSON.parse(stdout));
  expect(rows).toBeGreaterThan(3000);
  const [full] = sides.full;
  expect(full?.outcome.proven).toBeGreaterThanOrEqual(small.instances);
  expect(full?.outcome.waiting).toBe(0);
  expect(sides.empty).toHaveLength(1);
}, 90_000);
