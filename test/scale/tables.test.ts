import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { withTables } from '../../bench/report/markdown.ts';
import { readSaved } from '../../bench/report/saved.ts';
import { verdictsOf } from '../../bench/scale/report.ts';
import type { ScaleRun } from '../../bench/scale/run.ts';
import { scaleTables } from '../../bench/scale/tables.ts';
import { tempDir } from '../support/temp.ts';

/** Made up, of figures that are easy to reckon with. */
function run(rate: number, over: Partial<ScaleRun> = {}): ScaleRun {
  const part = {
    provenPerSecond: rate,
    cpuMsAnImage: 1,
    hookMs: { p50: 1, p99: 4, max: 9, count: 100 },
  };
  return {
    startMs: 2000,
    calmMs: 3000,
    startAfterKillMs: 2500,
    fast: part,
    paced: part,
    peakMegabytes: 200,
    calls: [],
    outcome: { proven: 500, waiting: 0 },
    emptyAfter: null,
    ...over,
  };
}

const saved = {
  bench: 'scale',
  date: '2026-01-31',
  machine: '2 × CPU, Node v24',
  orthanc: 'in memory',
  repeats: 3,
  backends: 64,
  rows: 1_000_000,
  instances: 100_000,
  sides: {
    full: [
      run(80, { calls: [{ path: '/api/v1/studies', p50: 2, p99: 8, kilobytes: 50 }] }),
      run(100),
      run(90, { emptyAfter: 120.4, startMs: 6000 }),
    ],
    empty: [run(100), run(120), run(110)],
  },
};

test('what was saved becomes tables, of which the document has a place for each', async () => {
  await using dir = await tempDir('scale-tables');
  const file = join(dir.path, 'scale.json');
  writeFileSync(file, JSON.stringify(saved));
  const { scale, single } = readSaved([file]);
  expect(single).toBeNull();
  if (scale === null) throw new Error('not read');
  const tables = scaleTables(scale);
  expect(tables.get('scale')).toContain('| fast: proven/s | 90 (80–100) | 110 (100–120) | 0.82 |');
  expect(tables.get('scale')).toContain(
    '64 backends, 1000000 rows in the ledger, 100000 images on the front',
  );
  expect(tables.get('scale')).toContain('all 500 images were proven and gone from the front after 120 s');
  expect(tables.get('scale-targets')).toContain(
    '| proven/s, full ÷ empty | **missed: 0.82** | at least 0.90 |',
  );
  expect(tables.get('scale-targets')).toContain('| hook p99, front paced, full, ms | 4.00 | at most 5.00 |');
  expect(tables.get('scale-api')).toContain('| `/api/v1/studies` | 2.0 | 8.0 | 50 |');
  const document = readFileSync(resolve(import.meta.dirname, '../../docs/performance.md'), 'utf8');
  expect(withTables(document, tables)).toContain('| fast: proven/s | 90 (80–100) |');
});

test('a start is judged by its worst run, a rate by its medians', () => {
  const { full, empty } = saved.sides;
  const missed = verdictsOf({ full, empty })
    .filter(({ isMet }) => !isMet)
    .map(({ what }) => what);
  expect(missed).toEqual(['proven/s, full ÷ empty', 'start until ready, full, ms']);
  expect(verdictsOf({ full: empty, empty }).every(({ isMet }) => isMet)).toBe(true);
});
