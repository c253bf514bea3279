import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { warmService } from '../src/farm/service-command.ts';
import { signIn, startBrowser } from '../test/browser/browser.ts';
import { openTempRoot, tempDir } from '../test/support/temp.ts';
import { until } from '../test/support/wait.ts';
import { type Figure, firstPaint, interactions } from './dashboard/measure.ts';
import { startHooks } from './scale/hooks.ts';
import { studiesOf } from './scale/images.ts';
import { homeWith, writeLedger } from './scale/ledgers.ts';
import { frontName, startRig, startTimed } from './scale/rig.ts';
import { machine } from './support/figures.ts';
import { whole } from './support/options.ts';

/**
 * Does the dashboard open and answer at once with many backends and a long history? A real Chromium looks at the real service, around it
 * light Orthancs in memory, while images come in. First paint is the browser's own first contentful paint of a page that nobody has
 * opened before; an interaction lasts from the key or the click until the browser has painted what came of it, as its own event
 * timing says.
 */
const { values: options } = parseArgs({
  options: {
    backends: { type: 'string', default: '64' },
    instances: { type: 'string', default: '1000000' },
    hooks: { type: 'string', default: '50' },
    repeats: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run bench:dashboard -- [--backends 64] [--instances 1000000] [--hooks 50] [--repeats 3] [--json]
  --instances: in the ledger, of studies that were delivered
  --hooks: images a second that arrive meanwhile
  Fails when first paint takes more than 1 s, or an interaction 100 ms.`);
  process.exit(0);
}
const backendCount = whole('backends', options.backends);
const instances = whole('instances', options.instances);
const repeats = whole('repeats', options.repeats);
const limits = { paintMs: 1000, interactionMs: 100 };
/** Rows a former image has, and an Orthanc has of its load: as `writeLedger` counts them. */
const rows = Math.round(instances * 2.06 + (backendCount + 1) * 3950);

const closeRoot = openTempRoot();
try {
  warmService(resolve(import.meta.dirname, '..'));
  await using dir = await tempDir('dashboard');
  using rig = await startRig(dir.path, backendCount);
  const ledger = join(dir.path, 'ledger.sqlite');
  process.stderr.write('writing the ledger …\n');
  const backlog = studiesOf(1, 0, 200);
  const counts = await writeLedger(ledger, { front: frontName, backends: rig.backends, rows, backlog });
  if ((counts.get('instances') ?? 0) < instances * 0.98)
    throw new Error(`the ledger has only ${counts.get('instances')} instances`);
  const service = rig.service(homeWith(join(dir.path, 'home'), ledger));
  await rig.farm.ask({ kind: 'begin', studies: backlog, down: false });
  await startTimed(service);
  try {
    await until(
      async () => {
        const { items } = await service.get<{ items: { health: string }[] }>('/api/v1/backends');
        return items.every(({ health }) => health === 'up');
      },
      { what: 'the backends to be up', timeoutMs: 60_000 },
    );
    const hooks = startHooks(
      rig.farm,
      service.url,
      studiesOf(2, 500_000_000, 100_000),
      whole('hooks', options.hooks),
    );
    await using viewer = await startBrowser(service.url);
    const paints: number[] = [];
    const figures: Figure[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      await using watched = await viewer.open();
      await signIn(watched, service.url, service.token);
      paints.push(await firstPaint(watched.page, service.url));
      figures.push(...(await interactions(watched.page)));
      if (watched.wrongs.length > 0) throw new Error(watched.wrongs.join('\n'));
    }
    await hooks.stop();
    report(paints, figures);
  } finally {
    await service.kill('SIGKILL');
  }
} finally {
  closeRoot();
}

function report(paints: readonly number[], figures: readonly Figure[]): void {
  const paintMs = Math.max(...paints);
  const names = [...new Set(figures.map(({ name }) => name))];
  const worst = names.map((name) => {
    const own = figures.filter((figure) => figure.name === name);
    return {
      name,
      paintMs: Math.max(...own.map((one) => one.paintMs)),
      dataMs: Math.max(...own.map((one) => one.dataMs)),
    };
  });
  const isMet = paintMs <= limits.paintMs && worst.every((one) => one.paintMs < limits.interactionMs);
  if (options.json)
    console.log(JSON.stringify({ machine: machine(), backendCount, instances, paints, worst, isMet }));
  else {
    console.log(`${machine()}; ${backendCount} backends, ${instances} instances in the ledger; the worst of ${repeats}
first paint ${paintMs.toFixed(0)} ms (at most ${limits.paintMs})

interaction${' '.repeat(31)}painted    data there`);
    for (const one of worst)
      console.log(
        `${one.name.padEnd(40)}${one.paintMs.toFixed(0).padStart(6)} ms${one.dataMs.toFixed(0).padStart(10)} ms`,
      );
  }
  if (!isMet) process.exitCode = 1;
}
