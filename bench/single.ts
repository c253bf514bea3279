import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { warmService } from '../src/farm/service-command.ts';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { openTempRoot } from '../test/support/temp.ts';
import { modeNamed, modes } from './single/modes.ts';
import { tableOf } from './single/report.ts';
import { type ModeFigures, runMode } from './single/run.ts';
import { machine, today } from './support/figures.ts';
import { whole } from './support/options.ts';
import { goFirst } from './support/priority.ts';
import { contenderNamed } from './throughput/contenders.ts';

/**
 * How long one image takes when nothing else is to be done: from its acknowledgement until a backend has it, and in this project until that
 * is proven. The contenders that store and forward take turns. Figures count only if every image is on one backend with the content that was
 * sent, and none on the front; otherwise the bench fails.
 */
const { values: options } = parseArgs({
  options: {
    images: { type: 'string', default: '200' },
    'warm-up': { type: 'string', default: '20' },
    block: { type: 'string', default: '20' },
    poll: { type: 'string', default: '2' },
    mode: { type: 'string', multiple: true, default: [...modes] },
    contender: { type: 'string', multiple: true, default: ['stock-lua', 'lua-jobs', 'dde'] },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    save: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run bench:single -- [--images 200] [--warm-up 20] [--block 20] [--poll 2] [--seed 1]
                               [--mode NAME] [--contender NAME] [--save FILE] [--json]
  --mode and --contender may be given several times
  --warm-up: images of each contender that do not count, before those that do
  --block: images of one contender before it is another's turn
  --poll: milliseconds between two looks whether the image has arrived
  modes: ${modes.join(', ')}
  --save: writes the figures as JSON, for docs/performance.md`);
  process.exit(0);
}
const seed = whole('seed', options.seed);
const how = {
  images: whole('images', options.images),
  warmUp: whole('warm-up', options['warm-up'], 0),
  block: whole('block', options.block),
  pollMs: whole('poll', options.poll),
};
const taking = options.contender.map(contenderNamed);
const asked = options.mode.map(modeNamed);

const closeRoot = openTempRoot();
const endFirst = goFirst();
if (endFirst === null) say('priority cannot be raised here: times include waiting for a CPU');
try {
  warmService(resolve(import.meta.dirname, '..'));
  const done: ModeFigures[] = [];
  const result = {
    bench: 'single',
    date: today(),
    machine: machine(),
    orthanc: orthancVersion(),
    images: how.images,
    modes: done,
  };
  for (const mode of asked) {
    const figures = await runMode(mode, taking, how, seed);
    done.push(figures);
    say(`${tableOf(figures)}\n`);
    if (options.save !== undefined) writeFileSync(options.save, `${JSON.stringify(result, null, 1)}\n`);
  }
  if (options.json) console.log(JSON.stringify(result, null, 1));
  else
    console.log(`${result.machine}, Orthanc ${result.orthanc}; ${how.images} images of 0.5 MB each, one at a time, in turns
checked: every image on one backend with the content that was sent, front empty
from an image's acknowledgement until a backend answers that it has it, asked every ${how.pollMs} ms`);
} finally {
  endFirst?.();
  closeRoot();
}

function say(line: string): void {
  if (!options.json) console.log(line);
}
