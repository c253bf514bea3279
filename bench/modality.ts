import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { warmService } from '../src/farm/service-command.ts';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { openTempRoot } from '../test/support/temp.ts';
import { type Cell, imageNamed, images, speedNamed, speeds, titleOf } from './modality/cells.ts';
import { startModalities } from './modality/modalities.ts';
import { type CellResult, tableOf } from './modality/report.ts';
import { type Run, runOnce, startTargets, type TargetName, targets } from './modality/run.ts';
import { machine, today } from './support/figures.ts';
import { isNagleOff, whole } from './support/options.ts';
import { goFirst } from './support/priority.ts';

/**
 * What a modality sees: how long each of its images takes to be acknowledged, by an Orthanc that does nothing else and by this project's
 * front while its farm is at work. Both in turns. A run counts only if every image ends where it belongs, with the content that was sent,
 * and the front is empty; otherwise the bench fails.
 */
const { values: options } = parseArgs({
  options: {
    image: { type: 'string', multiple: true, default: Object.keys(images) },
    associations: { type: 'string', multiple: true, default: ['1', '2', '8'] },
    speed: { type: 'string', multiple: true, default: [...speeds] },
    nagle: { type: 'string', multiple: true, default: ['off', 'on'] },
    repeats: { type: 'string', default: '5' },
    images: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
    save: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run bench:modality -- [--image ct|mr] [--associations N] [--speed pace|full] [--nagle off|on]
                                 [--repeats 5] [--images 100] [--save FILE] [--json]
  the first four may be given several times; without them everything is measured, which takes an hour
  --speed: pace, 20 images/s an association and 5 where there are more than two; full, each as soon as the last one is acknowledged
  --images: of one association in one run; a third of it where there are more than two
  --save: writes the figures as JSON after each cell, for docs/performance.md`);
  process.exit(0);
}
const repeats = whole('repeats', options.repeats);
const most = whole('images', options.images);
const cells: Cell[] = options.image.map(imageNamed).flatMap((image) =>
  options.speed.map(speedNamed).flatMap((speed) =>
    options.nagle.flatMap((nagle) =>
      options.associations.map((text) => ({
        image,
        speed,
        noDelay: isNagleOff(nagle),
        associations: whole('associations', text),
      })),
    ),
  ),
);

const closeRoot = openTempRoot();
const endFirst = goFirst();
if (endFirst === null) say('priority cannot be raised here: times include waiting for a CPU');
try {
  warmService(resolve(import.meta.dirname, '..'));
  await using stack = new AsyncDisposableStack();
  const modalities = stack.use(startModalities(Math.max(...cells.map(({ associations }) => associations))));
  const both = await startTargets(stack);
  const done: CellResult[] = [];
  const result = {
    bench: 'modality',
    date: today(),
    machine: machine(),
    orthanc: orthancVersion(),
    repeats,
    cells: done,
  };
  for (const cell of cells) {
    const runs: Record<TargetName, Run[]> = { plain: [], front: [] };
    // The first run of each is thrown away: programs that have just been started have much to load.
    for (let repeat = -1; repeat < repeats; repeat++)
      for (const name of repeat % 2 === 0 ? targets : targets.toReversed()) {
        try {
          const seed = `${JSON.stringify(cell)}-${repeat}`;
          const run = await runOnce(cell, both[name], modalities, { most, seed });
          if (repeat >= 0) runs[name].push(run);
        } catch (error) {
          throw new Error(`${name}, ${titleOf(cell)}, run ${repeat + 1}`, { cause: error });
        }
      }
    const measured = { ...cell, runs };
    done.push(measured);
    say(`${tableOf(measured)}\n`);
    if (options.save !== undefined) writeFileSync(options.save, `${JSON.stringify(result, null, 1)}\n`);
  }
  if (options.json) console.log(JSON.stringify(result, null, 1));
  else
    console.log(`${result.machine}, Orthanc ${result.orthanc}; medians of ${repeats} runs each, in turns; ratios of two that followed each other
checked in every run: every image where it belongs with the content that was sent, front empty`);
} finally {
  endFirst?.();
  closeRoot();
}

function say(line: string): void {
  if (!options.json) console.log(line);
}
