import { parseArgs } from 'node:util';
import { type Farm, startFarm } from '../test/support/farm.ts';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { type Fault, type FaultProxy, startProxy } from '../test/support/proxy.ts';
import { makeStudy, writeInstances } from '../test/support/synthetic.ts';
import { openTempRoot, tempDir } from '../test/support/temp.ts';
import { until } from '../test/support/wait.ts';
import { announced, setBackend, studyNow } from './support/api.ts';
import { machine, quantile } from './support/figures.ts';
import { sendFolder } from './support/modality.ts';

/**
 * Four backends; one stalls with its connections open, one answers 500 to every image. How fast do the two others get
 * theirs, beside the same two without the sick ones? Both have the same work waiting for the healthy backends when the clock
 * starts: studies placed in turn, so that the sick ones have as much waiting for them. Runs alternate; a run counts only if
 * every study of the healthy backends is whole there.
 */
const { values: options } = parseArgs({
  options: {
    repeats: { type: 'string', default: '5' },
    studies: { type: 'string', default: '20' },
    instances: { type: 'string', default: '50' },
    pixels: { type: 'string', default: '128' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(
    'usage: npm run bench:isolation -- [--repeats 5] [--studies 20] [--instances 50] [--pixels 128] [--json]\n' +
      '  --studies: for the healthy backends together',
  );
  process.exit(0);
}
const studies = Number(options.studies);
const perStudy = Number(options.instances);
const pixels = Number(options.pixels);
const sick = ['orthanc3', 'orthanc4'];
const healthy = ['orthanc1', 'orthanc2'];

const isImage = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'POST' && path === '/instances';
const faults: Readonly<Record<string, Fault>> = {
  orthanc3: { kind: 'stall', only: isImage },
  orthanc4: { kind: 'respond', status: 500, body: '{}', only: isImage },
};

/** Instances a second that the healthy backends got. */
async function run(repeat: number, withSick: boolean): Promise<number> {
  await using dir = await tempDir('isolation');
  const proxies = new Map<string, FaultProxy>();
  try {
    await using farm = await startFarm({
      backends: 4,
      settle: '10 min',
      routing: {
        policy: 'round-robin',
        rebindAfter: 'none',
        healAfter: 'none',
        lookupTimeout: '500 ms',
        stall: '5 min',
        transferTimeout: { base: '5 min' },
      },
      history: { sample: '1 s' },
      via: async (name, url) => {
        const proxy = await startProxy({ target: Number(new URL(url).port) });
        proxies.set(name, proxy);
        return proxy.url;
      },
    });
    // Nothing moves while the work gathers: every backend takes studies, and none is sent to.
    for (const proxy of proxies.values()) await proxy.set({ kind: 'stall', only: isImage });
    const count = 2 * studies;
    const uids: string[] = [];
    for (let index = 0; index < count; index++) {
      const study = makeStudy({
        seed: `isolation-${repeat}-${index}`,
        instances: perStudy,
        rows: pixels,
        columns: pixels,
      });
      await writeInstances(study.instances, `${dir.path}/${index}`);
      await sendFolder(`${dir.path}/${index}`, farm.front.dicomPort);
      uids.push(study.studyUid);
    }
    await announced(farm, count * perStudy);
    const mine: string[] = [];
    for (const uid of uids) {
      const { backend } = await until(
        async () => {
          const study = await studyNow(farm, uid);
          return study.backend === null ? null : study;
        },
        { what: `${uid} to be placed` },
      );
      if (backend !== null && healthy.includes(backend)) mine.push(uid);
    }
    // Only now: both runs begin with the same on the front, and a service and a front that have received the same.
    if (!withSick) for (const name of sick) await setBackend(farm, name, 'maint');
    for (const [name, proxy] of proxies) await proxy.set(faults[name] ?? { kind: 'pass' });
    const began = performance.now();
    await until(() => all(farm, mine), { what: 'the healthy backends', timeoutMs: 300_000, intervalMs: 20 });
    return (mine.length * perStudy) / ((performance.now() - began) / 1000);
  } finally {
    for (const proxy of proxies.values()) await proxy.close();
  }
}

async function all(farm: Farm, uids: readonly string[]): Promise<boolean> {
  for (const uid of uids) if ((await studyNow(farm, uid)).instances.verified < perStudy) return false;
  return true;
}

const closeRoot = openTempRoot();
try {
  const without: number[] = [];
  const beside: number[] = [];
  for (let repeat = 0; repeat < Number(options.repeats); repeat++) {
    // Alternating which goes first, so that a machine that grows slower does not speak for one of them.
    for (const withSick of repeat % 2 === 0 ? [false, true] : [true, false]) {
      const rate = await run(repeat, withSick);
      (withSick ? beside : without).push(rate);
      if (!options.json)
        console.log(
          `run ${repeat + 1} ${withSick ? 'beside sick ones' : 'healthy alone  '}: ${rate.toFixed(0)} instances/s`,
        );
    }
  }
  const result = {
    machine: machine(),
    orthanc: orthancVersion(),
    healthyAlone: { median: quantile(without, 0.5), runs: without },
    besideSickOnes: { median: quantile(beside, 0.5), runs: beside },
    ratio: quantile(beside, 0.5) / quantile(without, 0.5),
  };
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else
    console.log(`
${result.machine}, Orthanc ${result.orthanc}; medians of ${without.length} runs each
  healthy alone       ${result.healthyAlone.median.toFixed(0)} instances/s
  beside sick ones    ${result.besideSickOnes.median.toFixed(0)} instances/s, ${(100 * result.ratio).toFixed(0)} % of it`);
} finally {
  closeRoot();
}
