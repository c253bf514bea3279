import { parseArgs } from 'node:util';
import { accountFor } from '../test/support/accounting.ts';
import { startFarm } from '../test/support/farm.ts';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { makeStudy, writeInstances } from '../test/support/synthetic.ts';
import { openTempRoot, tempDir } from '../test/support/temp.ts';
import { until } from '../test/support/wait.ts';
import { announced, backendNow, setBackend, studyNow } from './support/api.ts';
import { machine, quantile } from './support/figures.ts';
import { sendFolder } from './support/modality.ts';

/**
 * How long a study takes to be whole on another backend after the one it was going to is killed in the middle of it: until that
 * is noticed, the waiting time of the topology, and the transfer itself, beside a plain transfer of an equal study in the
 * same farm. A figure counts only if every image of the study is on the other backend, and, once the former is back, on that alone.
 */
const { values: options } = parseArgs({
  options: {
    repeats: { type: 'string', default: '5' },
    instances: { type: 'string', default: '300' },
    pixels: { type: 'string', default: '256' },
    'rebind-after': { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(
    'usage: npm run bench:failover -- [--repeats 5] [--instances 300] [--pixels 256] [--rebind-after SECONDS] [--json]',
  );
  process.exit(0);
}
const instances = Number(options.instances);
const pixels = Number(options.pixels);
const rebindAfterSeconds = Number(options['rebind-after']);

interface Run {
  /** Seconds. */
  readonly plain: number;
  readonly detected: number;
  readonly waited: number;
  readonly transfer: number;
  readonly total: number;
  /** Instances the killed backend had proven. */
  readonly provenBefore: number;
}

/** One farm: a plain transfer first, then the same with a kill in the middle. */
async function once(repeat: number): Promise<Run> {
  await using dir = await tempDir('failover');
  await using farm = await startFarm({
    settle: '10 min',
    routing: { rebindAfter: `${rebindAfterSeconds} s` },
    history: { sample: '1 s' },
  });
  const study = async (name: string) => {
    const made = makeStudy({ seed: `failover-${repeat}-${name}`, instances, rows: pixels, columns: pixels });
    await writeInstances(made.instances, `${dir.path}/${name}`);
    return made;
  };
  const proven = async (uid: string): Promise<number> => (await studyNow(farm, uid)).instances.verified;
  const whole = async (uid: string): Promise<boolean> => (await proven(uid)) === instances;

  // The whole study stands on the front before anybody may take it: what is measured is the transfer, not the sender.
  for (const name of farm.backends.keys()) await setBackend(farm, name, 'drain');
  const plain = await study('plain');
  await sendFolder(`${dir.path}/plain`, farm.front.dicomPort);
  await announced(farm, instances);
  const plainBegan = performance.now();
  await setBackend(farm, 'orthanc2', 'ready');
  await until(() => whole(plain.studyUid), { what: 'the plain study', timeoutMs: 300_000, intervalMs: 10 });
  const plainSeconds = (performance.now() - plainBegan) / 1000;

  await setBackend(farm, 'orthanc2', 'drain');
  const killed = await study('killed');
  await sendFolder(`${dir.path}/killed`, farm.front.dicomPort);
  await announced(farm, 2 * instances);
  await setBackend(farm, 'orthanc1', 'ready');
  await until(async () => (await proven(killed.studyUid)) >= instances / 4, {
    what: 'the middle of the study',
    timeoutMs: 300_000,
    intervalMs: 5,
  });
  await farm.backend('orthanc1').kill('SIGKILL');
  const killedAt = Date.now();
  const provenBefore = await proven(killed.studyUid);
  if (provenBefore >= instances) throw new Error('the study was through before the kill; take larger images');
  await setBackend(farm, 'orthanc2', 'ready');
  const outSince = await until(async () => (await backendNow(farm, 'orthanc1')).outSince, {
    what: 'the service to notice',
    timeoutMs: 60_000,
    intervalMs: 20,
  });
  await until(
    async () => {
      const now = await studyNow(farm, killed.studyUid);
      return now.backend === 'orthanc2' && now.instances.verified === instances;
    },
    { what: 'the study to be whole on the other backend', timeoutMs: 300_000, intervalMs: 10 },
  );
  const doneAt = Date.now();
  const { items } = await farm.service.get<{ items: { kind: string; at: string }[] }>(
    `/api/v1/studies/${killed.studyUid}/decisions`,
  );
  const rebound = items.find((decision) => decision.kind === 'rebound');
  if (rebound === undefined) throw new Error('the study was not rebound');

  await farm.backend('orthanc1').restart();
  await until(
    async () => (await accountFor(farm, [...plain.instances, ...killed.instances])).wrong.length === 0,
    { what: 'the former backend to have nothing of the study', timeoutMs: 120_000, intervalMs: 500 },
  );
  const seconds = (from: number, to: number): number => (to - from) / 1000;
  return {
    plain: plainSeconds,
    detected: seconds(killedAt, Date.parse(outSince)),
    waited: seconds(Date.parse(outSince), Date.parse(rebound.at)),
    transfer: seconds(Date.parse(rebound.at), doneAt),
    total: seconds(killedAt, doneAt),
    provenBefore,
  };
}

const closeRoot = openTempRoot();
try {
  const runs: Run[] = [];
  for (let repeat = 0; repeat < Number(options.repeats); repeat++) {
    const run = await once(repeat);
    runs.push(run);
    if (!options.json)
      console.log(
        `run ${repeat + 1}: killed after ${run.provenBefore} of ${instances}; noticed ${run.detected.toFixed(2)} s, waited ${run.waited.toFixed(2)} s, ` +
          `transfer ${run.transfer.toFixed(2)} s (plain ${run.plain.toFixed(2)} s), whole after ${run.total.toFixed(2)} s`,
      );
  }
  const median = (of: (run: Run) => number): number => quantile(runs.map(of), 0.5);
  const result = {
    machine: machine(),
    orthanc: orthancVersion(),
    instances,
    rebindAfterSeconds,
    seconds: {
      plain: median((run) => run.plain),
      detected: median((run) => run.detected),
      waited: median((run) => run.waited),
      transfer: median((run) => run.transfer),
      total: median((run) => run.total),
    },
    transferRatio: median((run) => run.transfer / run.plain),
    transferRatioWorst: quantile(
      runs.map((run) => run.transfer / run.plain),
      1,
    ),
    runs,
  };
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else {
    const { seconds } = result;
    console.log(`
${result.machine}, Orthanc ${result.orthanc}; medians of ${runs.length} runs
  checked             every image of every study on one backend, the former one empty of it after its return
  noticed after       ${seconds.detected.toFixed(2)} s
  waited              ${seconds.waited.toFixed(2)} s (rebindAfter ${rebindAfterSeconds} s)
  transfer            ${seconds.transfer.toFixed(2)} s, ${result.transferRatio.toFixed(2)} × the plain one of ${seconds.plain.toFixed(2)} s (worst ${result.transferRatioWorst.toFixed(2)} ×)
  whole after         ${seconds.total.toFixed(2)} s`);
  }
} finally {
  closeRoot();
}
