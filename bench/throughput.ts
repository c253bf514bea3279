import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { warmService } from '../src/farm/service-command.ts';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { openTempRoot } from '../test/support/temp.ts';
import { machine, today } from './support/figures.ts';
import { isNagleOff, whole } from './support/options.ts';
import { goFirst } from './support/priority.ts';
import { type Cell, type CellResult, type CellRuns, type Run, shareOf, titleOf } from './throughput/cell.ts';
import type { Contender, Rig } from './throughput/contenders/contender.ts';
import { contenderNamed, contenders } from './throughput/contenders.ts';
import { tableOf } from './throughput/report.ts';
import { runOnce } from './throughput/run.ts';
import { studiesOf, workloadNamed, workloads } from './throughput/workloads.ts';

/**
 * How fast images get to the backends: straight, through HAProxy, with Lua of the manual, with a job an image, and through this project,
 * side by side on this machine. The contenders take turns in every repeat, another one first each time. A run counts only
 * if every image is on one backend with the content that was sent, and none on the front; otherwise the bench fails.
 */
const { values: options } = parseArgs({
  options: {
    workload: { type: 'string', multiple: true, default: workloads.map(({ name }) => name) },
    associations: { type: 'string', multiple: true, default: ['1', '2', '8'] },
    nagle: { type: 'string', multiple: true, default: ['off', 'on'] },
    contender: { type: 'string', multiple: true, default: contenders.map(({ name }) => name) },
    repeats: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    save: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run bench -- [--workload NAME] [--associations N] [--nagle off|on] [--contender NAME]
                        [--repeats 5] [--save FILE] [--json]
  all but the last three may be given several times; without them everything is measured, which takes hours
  workloads: ${workloads.map(({ name }) => name).join(', ')}
  contenders: ${contenders.map(({ name }) => name).join(', ')}
  --save: writes the figures as JSON after each cell, for docs/performance.md`);
  process.exit(0);
}
/** Of one run, where it fails. */
const mostAttempts = 3;
const repeats = whole('repeats', options.repeats);
const taking = options.contender.map(contenderNamed);
const cells: Cell[] = options.workload.map(workloadNamed).flatMap((workload) =>
  options.nagle.flatMap((nagle) =>
    options.associations.map((text) => ({
      workload,
      associations: whole('associations', text),
      noDelay: isNagleOff(nagle),
    })),
  ),
);

const closeRoot = openTempRoot();
const endFirst = goFirst();
if (endFirst === null) say('priority cannot be raised here: times include waiting for a CPU');
try {
  warmService(resolve(import.meta.dirname, '..'));
  const done: CellResult[] = [];
  const result = {
    bench: 'throughput',
    date: today(),
    machine: machine(),
    orthanc: orthancVersion(),
    repeats,
    cells: done,
  };
  for (const cell of cells) {
    say(`${titleOf(cell)} …`);
    const runs = await measure(cell);
    done.push({
      workload: cell.workload.name,
      associations: cell.associations,
      noDelay: cell.noDelay,
      contenders: runs,
    });
    say(`${tableOf(cell, runs)}\n`);
    if (options.save !== undefined) writeFileSync(options.save, `${JSON.stringify(result, null, 1)}\n`);
  }
  if (options.json) console.log(JSON.stringify(result, null, 1));
  else
    console.log(`${result.machine}, Orthanc ${result.orthanc}; medians of ${repeats} runs each, contenders in turns
checked in every run: every image on one backend with the content that was sent, front empty
images/s: from the first connection to the last image where it belongs, proven in (e)`);
} finally {
  endFirst?.();
  closeRoot();
}

async function measure(cell: Cell): Promise<CellRuns[]> {
  await using stack = new AsyncDisposableStack();
  const rigs = new Map<Contender, Rig>();
  for (const contender of taking) rigs.set(contender, stack.use(await contender.start()));
  const runs = new Map<Contender, Run[]>(taking.map((contender) => [contender, []]));
  for (let repeat = -Math.max(...taking.map(({ warmUps }) => warmUps)); repeat < repeats; repeat++) {
    const turn = Math.max(0, repeat) % taking.length;
    const which = repeat < 0 ? 'warm-up' : `run ${repeat + 1}`;
    for (const contender of [...taking.slice(turn), ...taking.slice(0, turn)]) {
      if (repeat < -contender.warmUps) continue;
      const studies = studiesOf(cell.workload, {
        seed: `throughput-${repeat}`,
        share: shareOf(cell, contender),
        atLeast: cell.associations,
      });
      for (let attempt = 1; ; attempt++) {
        const rig = rigs.get(contender);
        if (rig === undefined) throw new Error(`${contender.name} was not started`);
        try {
          const run = await runOnce(cell, contender, rig, studies);
          if (repeat >= 0) runs.get(contender)?.push(run);
          say(`  ${which}, ${contender.name}: ${run.instancesPerSecond.toFixed(1)} images/s`);
          break;
        } catch (error) {
          // The Orthancs of the others abort an association now and then; the run that is said to fail is made anew, with new ones. Of ours
          // that would be a fault to be found, and nothing is repeated.
          if (contender.name === 'dde' || attempt === mostAttempts)
            throw new Error(`${contender.name}, ${titleOf(cell)}, ${which}`, { cause: error });
          say(`  ${which}, ${contender.name}: failed, and is made anew: ${sentenceOf(error)}`);
          rigs.set(contender, stack.use(await contender.start()));
        }
      }
    }
  }
  return taking.map((contender) => ({ contender: contender.name, runs: runs.get(contender) ?? [] }));
}

function sentenceOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split(' / ')[0] ?? '';
}

function say(line: string): void {
  if (!options.json) console.log(line);
}
