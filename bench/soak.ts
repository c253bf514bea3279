import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { warmService } from '../src/farm/service-command.ts';
import { accountFor } from '../test/support/accounting.ts';
import { type Farm, frontsEmpty, startFarm } from '../test/support/farm.ts';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { makeStudy, type SyntheticInstance, writeInstances } from '../test/support/synthetic.ts';
import { openTempRoot, tempDir } from '../test/support/temp.ts';
import { cpuSeconds, machine, peakMemory, quantile } from './support/figures.ts';
import { type LatencyRelay, startLatencyRelay } from './support/latency-relay.ts';
import { sendFolder } from './support/modality.ts';

/**
 * Many studies in one run through a farm of one front and two backends, sent by several modalities at once. Shows the
 * service's memory and the time of the hook's answer as the front sees it. Figures count only if every acknowledged instance is
 * on exactly one backend with the MD5 of its receipt, each study on one, and the front is empty.
 */
const { values: options } = parseArgs({
  options: {
    studies: { type: 'string', default: '200' },
    instances: { type: 'string', default: '100' },
    senders: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log('usage: npm run bench:soak -- [--studies 200] [--instances 100] [--senders 4] [--json]');
  process.exit(0);
}

const studies = Number(options.studies);
const perStudy = Number(options.instances);
const senders = Number(options.senders);
const say = (line: string): void => {
  if (!options.json) console.log(line);
};

type Sent = Omit<SyntheticInstance, 'file'>;
interface Work {
  readonly folder: string;
  readonly instances: readonly Sent[];
}

const closeRoot = openTempRoot();
let relay: LatencyRelay | null = null;
try {
  await using dir = await tempDir('soak');
  say(`making ${studies} studies of ${perStudy} instances`);
  const all: Work[] = [];
  for (let index = 0; index < studies; index++) {
    const study = makeStudy({ seed: `soak-${index}`, instances: perStudy, rows: 64, columns: 64 });
    const folder = `${dir.path}/${index}`;
    await writeInstances(study.instances, folder);
    all.push({ folder, instances: study.instances.map(({ file: _file, ...rest }) => rest) });
  }

  warmService(resolve(import.meta.dirname, '..'));
  await using farm = await startFarm({
    settle: '2 s',
    serviceVia: async (url) => {
      relay = await startLatencyRelay(new URL(url));
      return relay.url;
    },
  });
  goFirst();
  say(`sending with ${senders} modalities`);
  const started = performance.now();
  const acknowledged = await sendAll(farm, all);
  const sentSeconds = (performance.now() - started) / 1000;
  await frontsEmpty(farm, 600_000);
  const emptySeconds = (performance.now() - started) / 1000;

  await check(farm, all, acknowledged);
  const latencies = (relay as LatencyRelay | null)?.latenciesMs ?? [];
  const result = {
    machine: machine(),
    orthanc: orthancVersion(),
    studies,
    instances: acknowledged.length,
    sentSeconds,
    emptySeconds,
    instancesPerSecond: acknowledged.length / emptySeconds,
    hookAnswers: latencies.length,
    hookMs: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), max: quantile(latencies, 1) },
    serviceMemoryBytes: peakMemory(farm.service.pid),
    serviceCpuMsPerInstance: (cpuSeconds(farm.service.pid) * 1000) / acknowledged.length,
  };
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else {
    const { hookMs } = result;
    console.log(`
${result.machine}, Orthanc ${result.orthanc}
  checked            ${result.instances} instances in ${studies} studies: all there once, equal MD5, front empty
  sending            ${sentSeconds.toFixed(1)} s
  until front empty  ${emptySeconds.toFixed(1)} s (${result.instancesPerSecond.toFixed(0)} instances/s)
  hook's answer      p50 ${hookMs.p50.toFixed(2)} ms, p99 ${hookMs.p99.toFixed(2)} ms, max ${hookMs.max.toFixed(1)} ms (${result.hookAnswers} answers)
  service            ${(result.serviceMemoryBytes / 1e6).toFixed(0)} MB at most, ${result.serviceCpuMsPerInstance.toFixed(2)} ms of CPU an instance`);
  }
} finally {
  await (relay as LatencyRelay | null)?.close();
  closeRoot();
}

/**
 * The relay that measures lives in this process. It must not wait for a CPU itself, or it would measure that: real-time
 * priority where this account may have it, not handed on to the senders.
 */
function goFirst(): void {
  const { status } = spawnSync('chrt', [
    '--reset-on-fork',
    '--all-tasks',
    '--fifo',
    '--pid',
    '1',
    String(process.pid),
  ]);
  if (status !== 0) say('  priority cannot be raised here: times include waiting for a CPU');
}

async function sendAll(farm: Farm, work: readonly Work[]): Promise<Sent[]> {
  const acknowledged: Sent[] = [];
  const next = work.entries();
  const modality = async (): Promise<void> => {
    for (const [index, study] of next) {
      await sendFolder(study.folder, farm.front.dicomPort);
      acknowledged.push(...study.instances);
      if (index % 20 === 19) say(`  ${index + 1} studies sent`);
    }
  };
  await Promise.all(Array.from({ length: senders }, modality));
  return acknowledged;
}

async function check(farm: Farm, work: readonly Work[], acknowledged: readonly Sent[]) {
  if (acknowledged.length !== studies * perStudy) {
    throw new Error(`only ${acknowledged.length} of ${studies * perStudy} instances were acknowledged`);
  }
  const account = await accountFor(farm, acknowledged);
  if (account.wrong.length > 0) throw new Error(account.wrong.slice(0, 10).join('\n'));
  for (const { instances } of work) {
    const uid = instances[0]?.studyUid ?? '';
    const { items } = await farm.service.get<{ items: { orthancId: string; md5: string }[] }>(
      `/api/v1/studies/${uid}/receipts`,
    );
    const receipts = new Map(items.map((receipt) => [receipt.orthancId, receipt.md5]));
    const unproven = instances.filter(
      ({ orthancId }) => receipts.get(orthancId) !== account.md5s.get(orthancId),
    );
    if (unproven.length > 0) throw new Error(`${unproven.length} instances of ${uid} have no true receipt`);
  }
}
