import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { warmService } from '../src/farm/service-command.ts';
import { openTempRoot, tempDir } from '../test/support/temp.ts';
import { studiesOf } from './scale/images.ts';
import { megabytesOf, writeLedger } from './scale/ledgers.ts';
import { type Sides, tableOf, verdictsOf } from './scale/report.ts';
import { frontName, startRig } from './scale/rig.ts';
import { runOnce, type ScaleRun, type Side } from './scale/run.ts';
import { machine, today } from './support/figures.ts';
import { whole } from './support/options.ts';
import { goFirst } from './support/priority.ts';

/**
 * Does the service stay as fast with a million rows of history and a hundred thousand images on the front as with an empty ledger? Both in
 * turns on this machine: the service as it is, with light Orthancs in memory around it, front and backends, so that it is the service that
 * everything waits for. A run counts only if every image is on the front still or proven on exactly one backend with the content that was sent,
 * also after the service was killed; otherwise the bench fails.
 */
const { values: options } = parseArgs({
  options: {
    instances: { type: 'string', default: '100000' },
    rows: { type: 'string', default: '1000000' },
    backends: { type: 'string', default: '64' },
    measured: { type: 'string', default: '8000' },
    hooks: { type: 'string', default: '100' },
    pace: { type: 'string', default: '300' },
    calls: { type: 'string', default: '100' },
    repeats: { type: 'string', default: '3' },
    save: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run bench:scale -- [--instances 100000] [--rows 1000000] [--backends 64] [--measured 8000]
                              [--hooks 100] [--pace 300] [--calls 100] [--repeats 3] [--save FILE] [--json]
  --instances: on the front when the service starts; every second study is bound already
  --rows: of history in the ledger
  --measured: images whose proofs are timed in each run, and half as many paced; the side with an empty ledger has twice what that takes,
    so that studies are still being placed on both sides: with all of them placed an image costs a third less
  --hooks: images a second that arrive meanwhile
  --pace: images a second that the front sends while answers to hooks are timed, about what a real one does; rates are taken without
  --calls: of each kind to the admin API, in the first repeat
  --save: writes the figures as JSON, for docs/performance.md
  The last repeat of the full side goes on until the front is empty.`);
  process.exit(0);
}
const instances = whole('instances', options.instances);
const rows = whole('rows', options.rows);
const backendCount = whole('backends', options.backends);
const measured = whole('measured', options.measured);
const repeats = whole('repeats', options.repeats);
/** What two lanes of each backend hold. */
const inLanes = backendCount * 2 * 50;
const warmUp = Math.ceil(measured / 8);
/** Paced and fast with their warm-ups, what the lanes hold when the front is let go and at the end, and some to be killed in. */
const needed = Math.ceil(1.5 * measured) + 4 * warmUp + 2 * inLanes;
if (instances < needed) throw new RangeError(`${measured} measured images need at least ${needed} instances`);

const closeRoot = openTempRoot();
const endFirst = goFirst();
if (endFirst === null) say('priority cannot be raised here: times include waiting for a CPU');
try {
  warmService(resolve(import.meta.dirname, '..'));
  await using dir = await tempDir('scale');
  using rig = await startRig(dir.path, backendCount);
  const backlog = studiesOf(1, 0, instances);
  // Those that the full side sends first, and those that it places meanwhile.
  const few = studiesOf(1, 0, Math.min(instances, 2 * needed));
  const full: Side = { ledgerFile: join(dir.path, 'full.sqlite'), backlog };
  const empty: Side = { ledgerFile: join(dir.path, 'empty.sqlite'), backlog: few };
  say('writing the ledgers …');
  const plan = { front: frontName, backends: rig.backends };
  const counts = await writeLedger(full.ledgerFile, { ...plan, rows, backlog });
  await writeLedger(empty.ledgerFile, { ...plan, rows: 0, backlog: few });
  const sum = [...counts.values()].reduce((all, count) => all + count, 0);
  say(
    `full: ${sum} rows, ${megabytesOf(full.ledgerFile).toFixed(0)} MB: ${[...counts].map(([table, count]) => `${table} ${count}`).join(', ')}`,
  );

  const runs: { full: ScaleRun[]; empty: ScaleRun[] } = { full: [], empty: [] };
  for (let repeat = 0; repeat < repeats; repeat++) {
    const order = repeat % 2 === 0 ? (['full', 'empty'] as const) : (['empty', 'full'] as const);
    for (const name of order) {
      const isLast = repeat === repeats - 1 && name === 'full';
      const run = await runOnce(rig, name === 'full' ? full : empty, join(dir.path, `${name}-${repeat}`), {
        warmUp,
        measured,
        inLanes,
        hooksPerSecond: whole('hooks', options.hooks),
        pace: whole('pace', options.pace),
        calls: repeat === 0 && name === 'full' ? whole('calls', options.calls) : 0,
        toTheEnd: isLast,
      });
      runs[name].push(run);
      say(
        `${name}: ${run.fast.provenPerSecond.toFixed(0)} proven/s, paced hook p99 ${run.paced.hookMs.p99.toFixed(1)} ms, start ${run.startMs.toFixed(0)} ms`,
      );
    }
  }
  const sides: Sides = runs;
  const verdicts = verdictsOf(sides);
  // No Orthanc of any version, but what light ones in memory do.
  const result = {
    bench: 'scale',
    date: today(),
    machine: machine(),
    orthanc: 'in memory',
    repeats,
    backends: backendCount,
    rows: sum,
    instances,
    sides,
  };
  if (options.save !== undefined) writeFileSync(options.save, `${JSON.stringify(result, null, 1)}\n`);
  if (options.json) {
    console.log(JSON.stringify({ ...result, verdicts }, null, 1));
  } else {
    const last = sides.full.at(-1);
    console.log(`${machine()}; ${backendCount} backends, ${sum} rows in the ledger, ${instances} images on the front; ${repeats} repeats in turns
checked in every run: each image on the front or proven on one backend, its content equal; the last one until the front was empty,
${last?.outcome.proven} proven, after ${last?.emptyAfter?.toFixed(0)} s

${tableOf(sides)}`);
  }
  if (verdicts.some(({ isMet }) => !isMet)) process.exitCode = 1;
} finally {
  endFirst?.();
  closeRoot();
}

/** Beside the result, which may be JSON. */
function say(what: string): void {
  process.stderr.write(`${what}\n`);
}
