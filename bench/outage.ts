import { parseArgs } from 'node:util';
import { accountFor } from '../test/support/accounting.ts';
import { type Farm, frontsEmpty, startFarm } from '../test/support/farm.ts';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { makeStudy, type SyntheticInstance, writeInstances } from '../test/support/synthetic.ts';
import { openTempRoot, tempDir } from '../test/support/temp.ts';
import { announced, receiptsOf } from './support/api.ts';
import { machine, peakMemory } from './support/figures.ts';
import { sendFolder } from './support/modality.ts';

/**
 * Every backend is dead while thousands of images arrive; then they come back. Shows the service's memory, that the front went
 * on receiving, and that everything was delivered afterwards, by itself and in the order of arrival. Counts only if every
 * acknowledged image is on exactly one backend and the front is empty.
 */
const { values: options } = parseArgs({
  options: {
    studies: { type: 'string', default: '100' },
    instances: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log('usage: npm run bench:outage -- [--studies 100] [--instances 100] [--json]');
  process.exit(0);
}
const studies = Number(options.studies);
const perStudy = Number(options.instances);
const say = (line: string): void => {
  if (!options.json) console.log(line);
};

type Sent = Omit<SyntheticInstance, 'file'>;

/**
 * How far out of order the studies of a backend were taken: for each study, how many that arrived after it had their first
 * image proven before its own. Studies go side by side in as many lanes as a backend has, so some of it is no disorder.
 */
async function overtaken(farm: Farm, order: readonly string[]): Promise<number> {
  const firstProof = new Map<string, { readonly backend: string; readonly at: number }>();
  for (const uid of order) {
    const receipts = await receiptsOf(farm, uid);
    const [first] = receipts.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
    if (first === undefined) throw new Error(`${uid} has no receipt`);
    firstProof.set(uid, { backend: first.backend, at: Date.parse(first.at) });
  }
  let worst = 0;
  for (const [index, uid] of order.entries()) {
    const own = firstProof.get(uid);
    if (own === undefined) continue;
    const earlier = order.slice(index + 1).filter((later) => {
      const other = firstProof.get(later);
      return other !== undefined && other.backend === own.backend && other.at < own.at;
    });
    worst = Math.max(worst, earlier.length);
  }
  return worst;
}

const closeRoot = openTempRoot();
try {
  await using dir = await tempDir('outage');
  await using farm = await startFarm({ settle: '2 s' });
  say('killing every backend');
  for (const backend of farm.backends.values()) await backend.kill('SIGKILL');

  say(`sending ${studies} studies of ${perStudy} instances`);
  const acknowledged: Sent[] = [];
  const order: string[] = [];
  const began = performance.now();
  for (let index = 0; index < studies; index++) {
    const study = makeStudy({ seed: `outage-${index}`, instances: perStudy, rows: 64, columns: 64 });
    const folder = `${dir.path}/${index}`;
    await writeInstances(study.instances, folder);
    await sendFolder(folder, farm.front.dicomPort);
    acknowledged.push(...study.instances.map(({ file: _file, ...rest }) => rest));
    order.push(study.studyUid);
  }
  const sentSeconds = (performance.now() - began) / 1000;
  await announced(farm, acknowledged.length);
  const memoryDown = peakMemory(farm.service.pid);

  say('starting the backends again');
  const back = performance.now();
  for (const backend of farm.backends.values()) await backend.restart();
  await frontsEmpty(farm, 600_000);
  const deliveredSeconds = (performance.now() - back) / 1000;

  const account = await accountFor(farm, acknowledged);
  if (account.wrong.length > 0) throw new Error(account.wrong.slice(0, 10).join('\n'));
  const worst = await overtaken(farm, order);
  const result = {
    machine: machine(),
    orthanc: orthancVersion(),
    instances: acknowledged.length,
    studies,
    sentSeconds,
    deliveredSeconds,
    memoryWhileDownBytes: memoryDown,
    memoryPeakBytes: peakMemory(farm.service.pid),
    overtakenAtMost: worst,
  };
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else
    console.log(`
${result.machine}, Orthanc ${result.orthanc}
  checked             ${result.instances} instances in ${studies} studies: all acknowledged while every backend was dead, all there once, front empty
  sending             ${sentSeconds.toFixed(1)} s
  delivered           ${deliveredSeconds.toFixed(1)} s after the backends came back, by itself
  order               a study was overtaken by ${worst} later ones on its backend at most
  service             ${(memoryDown / 1e6).toFixed(0)} MB at most while they were dead, ${(result.memoryPeakBytes / 1e6).toFixed(0)} MB in all`);
} finally {
  closeRoot();
}
