import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { markdownTable, withTables } from '../../bench/report/markdown.ts';
import { readSaved } from '../../bench/report/saved.ts';
import { throughputTables } from '../../bench/throughput/tables.ts';
import { figureOf } from '../../bench/throughput/targets.ts';
import { type TempDir, tempDir } from '../support/temp.ts';
import { savedThroughput } from './saved.ts';

const project = resolve(import.meta.dirname, '../..');

async function saved(dir: TempDir, ...files: readonly unknown[]): Promise<string[]> {
  const paths = files.map((_, index) => join(dir.path, `${index}.json`));
  for (const [index, path] of paths.entries()) await writeFile(path, JSON.stringify(files[index]));
  return paths;
}

const wait = { p50: 10, p99: 21, max: 30 };
const single = {
  bench: 'single',
  date: '2026-01-31',
  machine: '2 × CPU, Node v24',
  orthanc: '1.12.7',
  images: 200,
  modes: [
    {
      mode: 'new-studies',
      contenders: [
        { contender: 'lua-jobs', storeMs: wait, thereMs: wait, provenMs: null, stages: null },
        {
          contender: 'dde',
          storeMs: wait,
          thereMs: wait,
          provenMs: { p50: 12, p99: 61, max: 70 },
          stages: ['announced', 'placed', 'transfer begun', 'on its backend', 'proven'].map((stage) => ({
            stage,
            p50: 1,
            p99: 2,
          })),
        },
      ],
    },
  ],
};
const seen = (p50: number) => ({ p50, p99: 2 * p50, associateMs: 1, releaseMs: 1, imagesPerSecond: 20 });
const modality = {
  bench: 'modality',
  date: '2026-01-31',
  machine: '2 × CPU, Node v24',
  orthanc: '1.12.7',
  repeats: 2,
  cells: [
    {
      image: 'ct',
      associations: 2,
      speed: 'pace',
      noDelay: true,
      runs: { plain: [seen(10), seen(10)], front: [seen(12), seen(12)] },
    },
  ],
};

test('a table of throughput says rates, what they are of sending straight, and which promise was missed', async () => {
  await using dir = await tempDir('tables');
  const { throughput } = readSaved(
    await saved(
      dir,
      savedThroughput({
        cells: [
          { workload: 'ct', rates: [[200], [190], [20], [80], [90]] },
          { workload: 'mr', rates: [[200], [190], [30], [100], [90]] },
          { workload: 'ct', noDelay: false, rates: [[20], [20], [5], [10], [12]] },
          { workload: 'ct', associations: 1, rates: [[50], [50], [25], [40], [45]] },
        ],
      }),
    ),
  );
  const tables = throughput === null ? new Map<string, string>() : throughputTables(throughput);
  const kinds = ['throughput', 'cpu', 'proven', 'targets'];
  // Nothing is promised to who sends alone.
  const alone = ['alone-throughput', 'alone-cpu', 'alone-proven'];
  expect([...tables.keys()]).toEqual([...kinds, ...alone, ...kinds.map((kind) => `nagle-${kind}`)]);
  expect(tables.get('alone-throughput')).toContain(
    '1 association | 50 | 50 (1.00) | 25 (0.50) | 40 (0.80) | 45 (0.90) |',
  );
  expect(tables.get('throughput')).not.toContain('1 association');
  expect(tables.get('throughput')).toContain(
    '| CT 512 × 512, 0.5 MB; 2 associations | 200 | 190 (0.95) | 20 (0.10) | 80 (0.40) | 90 (0.45) |',
  );
  expect(tables.get('throughput')).toContain(
    '2 × CPU, Node v24, Orthanc 1.12.7, 2026-01-31; medians of 3 runs',
  );
  expect(tables.get('throughput')).not.toContain('Nagle');
  expect(tables.get('nagle-throughput')).toContain(
    'Nagle on | 20 | 20 (1.00) | 5.0 (0.25) | 10 (0.50) | 12 (0.60) |',
  );
  expect(tables.get('nagle-targets')).toContain('Nagle on | **missed: 2.40 (≥ 4)** | 1.20 (≥ 1) | 0.60');
  expect(tables.get('cpu')).toContain('14 (8.0 + 1.0 + 5.0) |');
  expect(tables.get('proven')).toContain('| 40 ms | 1.5 s | 100 | 200 | 300 |');
  expect(tables.get('targets')).toContain(
    '0.5 MB; 2 associations | 4.50 (≥ 4) | 1.13 (≥ 1) | 0.45 (≥ 0.42) |',
  );
  expect(tables.get('targets')).toContain(
    '| **missed: 3.00 (≥ 4)** | **missed: 0.90 (≥ 1)** | 0.45 (≥ 0.42) |',
  );
});

test('files of one bench go together when they are of one machine; what was measured again replaces what was', async () => {
  await using dir = await tempDir('tables');
  const first = savedThroughput({ cells: [{ workload: 'ct' }, { workload: 'mr' }] });
  const again = savedThroughput({
    date: '2026-02-01',
    cells: [{ workload: 'ct', rates: [[7], [7], [7], [7], [7]] }],
  });
  const { throughput, single: none } = readSaved(await saved(dir, first, again));
  expect(none).toBeNull();
  expect(throughput?.dates).toEqual(['2026-01-31', '2026-02-01']);
  expect(throughput?.cells.map(({ workload }) => workload)).toEqual(['ct', 'mr']);
  expect(throughput?.cells[0]?.contenders[0]?.runs[0]?.instancesPerSecond).toBe(7);
  expect([...(throughput === null ? [] : throughputTables(throughput).values())][0]).toContain(
    '2026-01-31 to 2026-02-01',
  );

  const elsewhere = await saved(dir, first, savedThroughput({ machine: '64 × CPU, Node v24' }));
  expect(() => readSaved(elsewhere)).toThrow(
    'do not go together: 2 × CPU, Node v24, Orthanc 1.12.7, 3 of each',
  );
  const fewer = await saved(dir, first, savedThroughput({ repeats: 1 }));
  expect(() => readSaved(fewer)).toThrow('do not go together');
  const [other = ''] = await saved(dir, { bench: 'throughput', cells: [] });
  expect(() => readSaved([other])).toThrow(`${other} is nothing that a bench has saved`);
});

test('a figure that misses its bound by little is not printed as the bound', () => {
  const judged = (figure: number, isMet: boolean) =>
    figureOf({ what: 'ratio', figure, bound: ['atMost', 2.5], isMet });
  expect(judged(2.5034, false)).toBe('2.503');
  expect(judged(2.4966, true)).toBe('2.50');
  expect(judged(2.61, false)).toBe('2.61');
  expect(judged(2.500000001, false)).toBe('2.500000');
});

test('a table takes the place of what stands between its marks, and of nothing else', () => {
  const document = 'a\n<!-- table: x -->\nold\n<!-- end -->\nb\n<!-- table: y -->\nkept\n<!-- end -->\n';
  const table = markdownTable(['', 'n'], [['a|b', '1']]);
  const result = withTables(document, new Map([['x', table]]));
  expect(result).toBe(
    'a\n<!-- table: x -->\n\n|  | n |\n| --- | ---: |\n| a\\|b | 1 |\n\n<!-- end -->\nb\n<!-- table: y -->\nkept\n<!-- end -->\n',
  );
  expect(withTables(result, new Map([['x', table]]))).toBe(result);
  expect(() => withTables(document, new Map([['z', table]]))).toThrow('0 places "<!-- table: z -->"');
  expect(() => withTables(document + document, new Map([['x', table]]))).toThrow('2 places');
  const unended = document.replace('<!-- end -->\nb', 'b');
  expect(() => withTables(unended, new Map([['x', table]]))).toThrow(
    '"<!-- table: x -->" has no "<!-- end -->"',
  );
});

test("the report fills the project's own page from files of all three benches, and again without a change", async () => {
  await using dir = await tempDir('report');
  const page = await readFile(join(project, 'docs/performance.md'), 'utf8');
  const docs = join(dir.path, 'docs');
  await mkdir(docs);
  await writeFile(join(docs, 'performance.md'), page);
  const all = {
    cells: [{ workload: 'ct' }, { workload: 'ct', associations: 1 }, { workload: 'ct', noDelay: false }],
  };
  const files = await saved(dir, savedThroughput(all), single, modality);
  const report = (some: readonly string[] = files) =>
    spawnSync(process.execPath, [join(project, 'bench/report.ts'), '--docs', docs, ...some], {
      encoding: 'utf8',
    });
  const { status, stderr } = report();
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const filled = await readFile(join(docs, 'performance.md'), 'utf8');
  expect(filled).toContain('| CT 512 × 512, 0.5 MB; 2 associations | 200 | 100 (0.50) |');
  expect(filled).toContain('| 12.0 ms | **missed: 61.0 ms** | 70.0 ms |');
  expect(filled).toContain(
    '| CT, 0.5 MB; 2 associations; 20 images/s each | 10.00 → 12.00 (**missed: 1.20**) |',
  );
  for (const name of ['throughput', 'cpu'])
    expect(await readFile(join(docs, `performance/${name}.svg`), 'utf8')).toContain('</svg>');
  report();
  expect(await readFile(join(docs, 'performance.md'), 'utf8')).toBe(filled);

  // Measured elsewhere by itself: its own tables say so, and all others, and the charts, stay.
  const elsewhere = { machine: '64 × CPU', cells: [{ workload: 'ct', noDelay: false }] };
  await rm(join(docs, 'performance/throughput.svg'));
  const [other = ''] = await saved(dir, savedThroughput(elsewhere));
  expect(report([other])).toMatchObject({ status: 0, stderr: '' });
  const partly = await readFile(join(docs, 'performance.md'), 'utf8');
  expect(partly.split('64 × CPU')).toHaveLength(1 + 4);
  expect(partly.split('2 × CPU').length).toBe(filled.split('2 × CPU').length - 4);
  expect(existsSync(join(docs, 'performance/throughput.svg'))).toBe(false);

  // Every place of the page is filled by one of the benches.
  const places = [...filled.matchAll(/<!-- table: (\S+) -->\n\n\|/g)].map(([, name]) => name);
  expect(places).toEqual([...page.matchAll(/<!-- table: (\S+) -->/g)].map(([, name]) => name));
});
