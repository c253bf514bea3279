import { cpus } from 'node:os';
import { type Farm, frontsEmpty, startFarm } from '../../test/support/farm.ts';
import { type FaultProxy, startProxy } from '../../test/support/proxy.ts';
import { until } from '../../test/support/wait.ts';
import { check } from './check.ts';
import { type Figures, figuresOf } from './figures.ts';
import type { LiveCase } from './live-case.ts';
import type { PolicyUnderTest } from './policy.ts';
import { drive, faultOf } from './proxies.ts';
import { type MadeStudy, mostAssociations, replay } from './replay.ts';

/** What one run of one policy came to. */
export interface Run extends Figures {
  /** Studies on each backend, in the order of the scenario. */
  readonly studies: readonly number[];
  /** Studies of which more than one epoch was needed. */
  readonly rebound: number;
  /** Those that took longest, so that an outlier can be looked into. */
  readonly slowest: readonly SlowStudy[];
  /** Share of all cores in use, by whomever: where nothing is left, it is the machine that was measured. */
  readonly cpu: number;
}

interface SlowStudy {
  readonly studyUid: string;
  readonly at: number;
  readonly seconds: number;
  readonly backend: string;
  readonly modality: string | null;
  readonly instances: number;
}

const slowestKept = 5;

/**
 * One policy with one trace on a farm of its own, from its start to the check that every image is on one backend, with its
 * content, and none on the front.
 *
 * @throws Error when that is not so, or work is left over
 */
export async function runOnce(
  { scenario, backends }: LiveCase,
  made: readonly MadeStudy[],
  { policy, order }: PolicyUnderTest,
): Promise<Run> {
  const proxies = new Map<string, FaultProxy>();
  try {
    await using farm = await startFarm({
      backends: backends.length,
      settle: `${scenario.settle} s`,
      routing: { policy, order },
      history: { sample: '1 s' },
      orthancConfig: { front: { DicomThreadsCount: mostAssociations + 2 } },
      serviceEnv: { DDE_LOG_LEVEL: 'info' },
      via: async (name, url) => {
        const proxy = await startProxy({ target: Number(new URL(url).port) });
        proxies.set(name, proxy);
        return proxy.url;
      },
    });
    const names = [...farm.backends.keys()];
    const slowed = backends.map((backend, index) => ({ backend, proxy: need(proxies, names[index]) }));
    for (const { backend, proxy } of slowed) await proxy.set(faultOf(backend, { speed: 1, answers: true }));

    const ended = new AbortController();
    const began = Date.now();
    const busy = cpuShare();
    const driving = Promise.all(slowed.map(({ backend, proxy }) => drive(backend, proxy, ended.signal)));
    let acknowledged: ReadonlyMap<string, number>;
    try {
      acknowledged = await replay(made, farm.front.dicomPort);
      await allProven(farm, made);
    } finally {
      ended.abort();
      await driving;
    }
    const cpu = busy();
    await frontsEmpty(farm, 120_000);
    // What is read now are whole files, past the proxies, but by the same processes.
    const receipts = await check(farm, made);
    return { ...summary(made, names, { began, acknowledged, receipts }), cpu };
  } finally {
    for (const proxy of proxies.values()) await proxy.close();
  }
}

function need(proxies: ReadonlyMap<string, FaultProxy>, name: string | undefined): FaultProxy {
  const proxy = proxies.get(name ?? '');
  if (proxy === undefined) throw new Error('a backend without a proxy');
  return proxy;
}

async function allProven(farm: Farm, made: readonly MadeStudy[]): Promise<void> {
  const instances = made.reduce((sum, { study }) => sum + study.instances.length, 0);
  await until(
    async () => {
      const { proven } = await farm.service.get<{ proven: number }>('/api/v1/totals');
      if (proven < instances) throw new Error(`${proven} of ${instances}`);
      return true;
    },
    { what: 'all images to be proven', timeoutMs: 600_000, intervalMs: 250 },
  );
}

function summary(
  made: readonly MadeStudy[],
  names: readonly string[],
  seen: {
    readonly began: number;
    readonly acknowledged: ReadonlyMap<string, number>;
    readonly receipts: Awaited<ReturnType<typeof check>>;
  },
): Omit<Run, 'cpu'> {
  const waits: SlowStudy[] = [];
  const studies = names.map(() => 0);
  let rebound = 0;
  let last = seen.began;
  for (const { trace, study } of made) {
    const acknowledged = seen.acknowledged.get(study.studyUid);
    const proof = seen.receipts.get(study.studyUid);
    if (acknowledged === undefined || proof === undefined)
      throw new Error(`${study.studyUid} was not measured`);
    last = Math.max(last, proof.lastAt);
    const index = names.indexOf(proof.backend);
    studies[index] = (studies[index] ?? 0) + 1;
    if (proof.epochs > 1) rebound++;
    // The front announces an image before it acknowledges it: a small one may be proven first.
    const seconds = Math.max(0, proof.lastAt - acknowledged) / 1000;
    const { at, modality, instances } = trace.arrival;
    if (!trace.isWarmUp)
      waits.push({ studyUid: study.studyUid, at, seconds, backend: proof.backend, modality, instances });
  }
  const seconds = waits.map((one) => one.seconds);
  return {
    ...figuresOf(seconds, (last - seen.began) / 1000),
    studies,
    rebound,
    slowest: waits.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestKept),
  };
}

/** From now on; returns the way to ask. */
function cpuShare(): () => number {
  const count = (): { readonly idle: number; readonly all: number } => {
    const times = cpus().map((core) => core.times);
    return {
      idle: times.reduce((sum, { idle }) => sum + idle, 0),
      all: times.reduce((sum, { user, nice, sys, irq, idle }) => sum + user + nice + sys + irq + idle, 0),
    };
  };
  const before = count();
  return () => {
    const now = count();
    return 1 - (now.idle - before.idle) / (now.all - before.all);
  };
}
