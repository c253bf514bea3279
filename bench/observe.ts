import { copyFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import express from 'express';
import { createAccounts } from '../src/admin/accounts.ts';
import { createAdmin } from '../src/admin/admin.ts';
import { createSeriesReader } from '../src/admin/series/reader.ts';
import { createFlow } from '../src/backends/flow.ts';
import { createPool } from '../src/backends/pool-live.ts';
import { openLedger } from '../src/ledger/open.ts';
import { silentLogger } from '../src/log.ts';
import { createMetrics } from '../src/metrics.ts';
import { backendConfig } from '../test/backends/rig.ts';
import { openTempRoot, tempDir } from '../test/support/temp.ts';
import type { AskedCalls, CallTimes } from './observe/asker.ts';
import { observedTopology } from './observe/topology.ts';
import { studiesOf } from './scale/images.ts';
import { writeLedger } from './scale/ledgers.ts';
import { machine } from './support/figures.ts';
import { whole } from './support/options.ts';

/**
 * How long does what a dashboard asks for hold up the event loop that answers the hook, with a million images in the ledger and 64 backends?
 * The admin rooms as they are, over a real ledger; who asks is on another thread, and what is counted is the time of the
 * processor that the service's own thread takes, so that others on the machine do not count. Fails when a call takes more than the limit.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '2330000' },
    backends: { type: 'string', default: '64' },
    calls: { type: 'string', default: '30' },
    limit: { type: 'string', default: '30' },
    ledger: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run bench:observe -- [--rows 2330000] [--backends 64] [--calls 30] [--limit 30] [--ledger FILE] [--json]
  --rows: of history in the ledger; 2,330,000 rows are a million images
  --limit: milliseconds that half of the calls of a kind may take the event loop for at most
  --ledger: one that is there, instead of writing one, which takes minutes; it is copied`);
  process.exit(0);
}
const calls = whole('calls', options.calls);
const limitMs = whole('limit', options.limit);
const backends = Array.from({ length: whole('backends', options.backends) }, (_, index) =>
  backendConfig(`orthanc${index + 1}`),
);

const paths = [
  '/farm',
  '/events',
  '/events?backend=orthanc7',
  '/series',
  '/series?points=2000&{day}',
  '/series?points=2000&{week}',
  '/series?points=2000&{year}',
  '/studies',
  '/studies?limit=1000',
  '/studies?uid={study}',
  '/studies?uid=9.9',
  '/studies?uid=1&state=removed&modality=XX',
  '/studies?state=received',
  '/studies?state=removed&modality=CT',
  '/studies?backend=orthanc7',
  '/studies?backend=NOBODY',
  '/studies?aet=NOBODY',
  '/studies?station=NOWHERE',
  '/studies?aet=NOBODY&modality=CT&{month}',
  '/studies/{study}/timeline',
];

const closeRoot = openTempRoot();
try {
  await using dir = await tempDir('observe');
  const file = join(dir.path, 'ledger.sqlite');
  if (options.ledger === undefined) {
    console.error('writing the ledger …');
    const names = backends.map(({ name }) => name);
    const backlog = studiesOf(1, 0, 20_000);
    await writeLedger(file, { front: 'front', backends: names, rows: whole('rows', options.rows), backlog });
  } else copyFileSync(resolve(options.ledger), file);

  const ledger = openLedger(file);
  const clock = Date.now;
  const log = silentLogger();
  const pool = createPool({ backends, ledger, downAfter: 2, clock, log });
  for (const { name } of backends) pool.observed(name, { at: clock(), up: true, reason: null, latencyMs: 1 });
  const series = createSeriesReader(file);
  const token = 'token';
  const app = express();
  app.use(
    createAdmin({
      ledger,
      pool,
      fronts: new Map(),
      topology: observedTopology(backends),
      accounts: createAccounts({ ledger, fileToken: token, clock, log }),
      clock,
      log,
      version: '0',
      startedAt: clock(),
      registry: createMetrics().registry,
      flow: createFlow(clock),
      series,
    }),
  );
  const server = createServer(app);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { items } = ledger.studies({ state: 'removed' }, { limit: 1 });
  const since = (days: number): string => new Date(clock() - days * 86_400_000).toISOString();
  const words: Readonly<Record<string, string>> = {
    study: items[0]?.studyUid ?? '1',
    day: `from=${since(1)}`,
    week: `from=${since(7)}`,
    month: `since=${since(30)}`,
    year: `from=${since(365)}`,
  };
  const asker = new Worker(new URL('./observe/asker.ts', import.meta.url));
  const rows: { path: string; loopMs: number; worstMs: number; answerMs: number; kilobytes: number }[] = [];
  for (const path of paths) {
    const real = path.replaceAll(/\{(\w+)\}/g, (_whole, word: string) => words[word] ?? '');
    const loop: number[] = [];
    const answers: number[] = [];
    let bytes = 0;
    for (let call = 0; call < calls; call++) {
      const before = process.threadCpuUsage();
      const asked: AskedCalls = { url: `http://127.0.0.1:${port}/api/v1${real}`, token };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none, a window would
      asker.postMessage(asked);
      const answer = await new Promise<CallTimes>((done) => asker.once('message', done));
      if (answer.status !== 200) throw new Error(`${real}: ${answer.status}`);
      const { user, system } = process.threadCpuUsage(before);
      loop.push((user + system) / 1000);
      answers.push(answer.ms);
      bytes = answer.bytes;
    }
    rows.push({
      path,
      loopMs: quantile(loop, 0.5),
      worstMs: quantile(loop, 1),
      answerMs: quantile(answers, 0.5),
      kilobytes: bytes / 1000,
    });
  }
  await asker.terminate();
  await series.close();
  server.closeAllConnections();
  server.close();
  pool.close();
  await ledger.close();
  if (options.json) console.log(JSON.stringify({ bench: 'observe', machine: machine(), rows }, null, 1));
  else {
    console.log(
      `${machine()}; ${backends.length} backends; milliseconds of the event loop a call, ${calls} calls each\n`,
    );
    console.log(
      '| call | loop, median | loop, worst | answer, median | kB |\n| --- | ---: | ---: | ---: | ---: |',
    );
    for (const { path, loopMs, worstMs, answerMs, kilobytes } of rows)
      console.log(
        `| \`${path}\` | ${loopMs.toFixed(1)} | ${worstMs.toFixed(1)} | ${answerMs.toFixed(1)} | ${kilobytes.toFixed(0)} |`,
      );
  }
  if (rows.some(({ loopMs }) => loopMs > limitMs)) process.exitCode = 1;
} finally {
  closeRoot();
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
