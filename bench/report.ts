import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { modalityTables } from './modality/tables.ts';
import { withTables } from './report/markdown.ts';
import { readSaved } from './report/saved.ts';
import { scaleTables } from './scale/tables.ts';
import { singleTables } from './single/tables.ts';
import { cpuChart, isCharted, throughputChart } from './throughput/chart.ts';
import { throughputTables } from './throughput/tables.ts';

/** Writes what benches have saved into docs/performance.md and its charts, so that no figure there was typed by hand. */
const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    docs: { type: 'string', default: resolve(import.meta.dirname, '../docs') },
    help: { type: 'boolean', default: false },
  },
});
if (options.help || files.length === 0) {
  console.log(`usage: npm run bench:report -- [--docs FOLDER] FILE…
  FILE: what bench, bench:single, bench:modality or bench:scale wrote with --save; several of one bench are taken together
  writes the tables of performance.md, performance/throughput.svg and performance/cpu.svg below FOLDER (docs), those of them that the
  files have figures for: senders with Nagle's algorithm, single senders and all others have tables of their own`);
  process.exit(options.help ? 0 : 2);
}
const { throughput, single, modality, scale } = readSaved(files);
const document = join(options.docs, 'performance.md');
// Everything is made before anything is written: a mistake leaves document and charts as they were.
const outcome = new Map<string, string>();
outcome.set(
  document,
  withTables(
    readFileSync(document, 'utf8'),
    new Map([
      ...(throughput === null ? [] : throughputTables(throughput)),
      ...(single === null ? [] : singleTables(single)),
      ...(modality === null ? [] : modalityTables(modality)),
      ...(scale === null ? [] : scaleTables(scale)),
    ]),
  ),
);
const folder = join(options.docs, 'performance');
if (throughput !== null && isCharted(throughput)) {
  outcome.set(join(folder, 'throughput.svg'), throughputChart(throughput));
  outcome.set(join(folder, 'cpu.svg'), cpuChart(throughput));
}
mkdirSync(folder, { recursive: true });
for (const [file, content] of outcome) {
  writeFileSync(file, content);
  console.log(file);
}
