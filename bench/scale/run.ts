import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openLedger } from '../../src/ledger/open.ts';
import type { ServiceProcess } from '../../test/support/service-process.ts';
import { until } from '../../test/support/wait.ts';
import { cpuSeconds, peakMemory, quantile } from '../support/figures.ts';
import { type CallFigure, measureCalls } from './api-calls.ts';
import { checkOutcome, type Outcome } from './check.ts';
import { type HookStream, startHooks } from './hooks.ts';
import { type ScaleStudy, studiesOf } from './images.ts';
import { homeWith } from './ledgers.ts';
import { provenSoFar, type Rig, startTimed } from './rig.ts';

/** One side of the comparison. */
export interface Side {
  readonly ledgerFile: string;
  readonly backlog: readonly ScaleStudy[];
}

export interface RunOptions {
  /** Proven before a measured part begins, and in it. */
  readonly warmUp: number;
  readonly measured: number;
  /** What all lanes hold: so many are proven at once when the front is let go, and say nothing of any rate. */
  readonly inLanes: number;
  readonly hooksPerSecond: number;
  /** Images a second that the front sends while the answers to hooks are measured. */
  readonly pace: number;
  /** Calls of the admin API, of each kind; 0: none. */
  readonly calls: number;
  /** Goes on until the front is empty. */
  readonly toTheEnd: boolean;
}

/** What was measured between two counts of proofs. */
export interface Part {
  readonly provenPerSecond: number;
  /** CPU of the service for each proven image, hooks and all else included. */
  readonly cpuMsAnImage: number;
  readonly hookMs: {
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly count: number;
  };
}

export interface ScaleRun {
  /** From the start of the process until it is ready. */
  readonly startMs: number;
  /** Until it has nothing more to do while all backends are away. */
  readonly calmMs: number;
  /** After a SIGKILL in the middle of everything. */
  readonly startAfterKillMs: number;
  /** The front sends as fast as it is asked to: everything waits for the service. */
  readonly fast: Part;
  /** The front sends as fast as a real one. */
  readonly paced: Part;
  readonly peakMegabytes: number;
  readonly calls: readonly CallFigure[];
  readonly outcome: Outcome;
  /** Seconds until everything was proven and gone from the front; null: it was not waited for. */
  readonly emptyAfter: number | null;
}

const firstOfStream = 500_000_000;

/**
 * One run on a copy of the side's ledger: start, calls, transfers beside hooks, a check of all that came of it; then another start, a
 * kill, a third start, and the check again.
 */
export async function runOnce(rig: Rig, side: Side, folder: string, options: RunOptions): Promise<ScaleRun> {
  const home = homeWith(folder, side.ledgerFile);
  const { farm } = rig;
  const { warmUp } = options;
  await farm.ask({ kind: 'begin', studies: side.backlog, down: true });
  const service = rig.service(home);
  let hooks: HookStream | null = null;
  try {
    const began = performance.now();
    const startMs = await startTimed(service);
    await calm(service);
    const calmMs = performance.now() - began - calmLookMs;
    const provenBefore = await provenSoFar(service);
    const calls = options.calls > 0 ? await measureCalls(service, options.calls) : [];

    await farm.ask({ kind: 'pace', imagesPerSecond: options.pace });
    await farm.ask({ kind: 'up' });
    const sendingSince = performance.now();
    hooks = startHooks(farm, service.url, studiesOf(2, firstOfStream, 200_000), options.hooksPerSecond);
    const paced = await measure(service, hooks, { warmUp, measured: Math.ceil(options.measured / 2) });
    await farm.ask({ kind: 'pace', imagesPerSecond: null });
    const fast = await measure(service, hooks, {
      warmUp: options.inLanes + warmUp,
      measured: options.measured,
    });
    const peakMegabytes = peakMemory(service.pid) / 1e6;
    await hooks.stop();
    const studies = [...side.backlog, ...hooks.announced()];
    await stopAndCheck(rig, service, { home, studies, provenBefore, mayRepeat: false });

    await service.start();
    await provenAt(service, (await provenSoFar(service)) + warmUp);
    await service.kill('SIGKILL');
    const startAfterKillMs = await startTimed(service);
    const emptyAfter = options.toTheEnd ? await emptyFront(rig, service, sendingSince) : null;
    const outcome = await stopAndCheck(rig, service, { home, studies, provenBefore, mayRepeat: true });
    if (options.toTheEnd && outcome.waiting > 0) throw new Error(`${outcome.waiting} images were left over`);
    return { startMs, calmMs, startAfterKillMs, fast, paced, peakMegabytes, calls, outcome, emptyAfter };
  } catch (error) {
    throw new Error(`${String(error)}\n${service.log().slice(-1500)}`, { cause: error });
  } finally {
    if (hooks !== null) await hooks.stop().catch(() => undefined);
    await service.kill('SIGKILL');
  }
}

const calmLookMs = 500;

/** Waits until the service uses less than a tenth of a processor: what a start sets in motion is over. */
async function calm(service: ServiceProcess): Promise<void> {
  await until(
    async () => {
      const before = cpuSeconds(service.pid);
      await pause(calmLookMs);
      return cpuSeconds(service.pid) - before < calmLookMs / 10_000;
    },
    { what: 'the service to be calm', timeoutMs: 120_000, intervalMs: 1 },
  );
}

async function measure(
  service: ServiceProcess,
  hooks: HookStream,
  { warmUp, measured }: Pick<RunOptions, 'warmUp' | 'measured'>,
): Promise<Part> {
  const from = await provenAt(service, (await provenSoFar(service)) + warmUp);
  const cpuFrom = cpuSeconds(service.pid);
  const hooksFrom = hooks.latenciesMs.length;
  const to = await provenAt(service, from.proven + measured);
  const cpu = cpuSeconds(service.pid) - cpuFrom;
  const latencies = hooks.latenciesMs.slice(hooksFrom);
  const proven = to.proven - from.proven;
  return {
    provenPerSecond: proven / ((to.at - from.at) / 1000),
    cpuMsAnImage: (cpu * 1000) / proven,
    hookMs: {
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      max: Math.max(...latencies),
      count: latencies.length,
    },
  };
}

/** Waits until so many have been proven; how many there were, and when. */
async function provenAt(service: ServiceProcess, wanted: number): Promise<{ proven: number; at: number }> {
  return await until(
    async () => {
      const proven = await provenSoFar(service);
      return proven >= wanted && { proven, at: performance.now() };
    },
    { what: `${wanted} proven images`, timeoutMs: 300_000, intervalMs: 50 },
  );
}

async function emptyFront(rig: Rig, service: ServiceProcess, began: number): Promise<number> {
  await until(
    async () => {
      const { instances } = await service.get<{ instances: number }>('/api/v1/queue');
      return instances === 0 && (await rig.farm.ask({ kind: 'holdings' }))?.front.length === 0;
    },
    { what: 'the front to be empty', timeoutMs: 1_200_000, intervalMs: 1000 },
  );
  return (performance.now() - began) / 1000;
}

interface Expected {
  readonly home: string;
  readonly studies: readonly ScaleStudy[];
  readonly provenBefore: number;
  readonly mayRepeat: boolean;
}

/** @throws when it does not end as it should, or anything is wrong with what came of it */
async function stopAndCheck(
  rig: Rig,
  service: ServiceProcess,
  { home, studies, provenBefore, mayRepeat }: Expected,
): Promise<Outcome> {
  const code = await service.kill('SIGTERM');
  if (code !== 0) throw new Error(`the service ended with ${code}`);
  const holdings = await rig.farm.ask({ kind: 'holdings' });
  if (holdings === null) throw new Error('the farm did not say what it holds');
  const ledger = openLedger(join(home, 'ledger.sqlite'));
  try {
    return checkOutcome(ledger, holdings, studies, provenBefore, mayRepeat);
  } finally {
    await ledger.close();
  }
}
