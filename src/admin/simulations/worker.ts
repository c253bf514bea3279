import { parentPort, workerData } from 'node:worker_threads';
import { stepBack } from '../../background.ts';
import { ablationNamed, isAblation } from '../../decision/ablations.ts';
import { policyNamed } from '../../decision/policies.ts';
import { readTrace } from '../../ledger/trace.ts';
import { replay } from '../../simulate/replay/replay.ts';
import { backendsOf, policiesFor, settingsOf } from '../../simulate/replay/set-up.ts';
import { runScenario } from '../../simulate/run.ts';
import { loadScenario } from '../../simulate/scenario.ts';
import type { SimulationJob, SimulationNews, SimulationTask } from './job.ts';

/** The thread of one simulation, which ends with it. */
const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread');
const { job, ledgerFile } = workerData as SimulationTask;
const dayMs = 86_400_000;

function tell(news: SimulationNews): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none, a window would
  port?.postMessage(news);
}

async function scenarioResult(of: SimulationJob & { kind: 'scenario' }): Promise<unknown> {
  const scenario = loadScenario(of.scenario);
  const seeds = of.seeds ?? scenario.seeds;
  const steps = of.policies.length * seeds;
  let done = 0;
  return await runScenario(scenario, {
    policies: of.policies,
    order: of.order,
    seeds,
    curves: true,
    onStep: () => {
      tell({ kind: 'progress', share: ++done / steps });
      return Promise.resolve();
    },
  });
}

function replayResult({ span, policies, order, topology }: SimulationJob & { kind: 'replay' }): unknown {
  const trace = readTrace(ledgerFile, span);
  const names = policiesFor(trace, policies);
  let done = 0;
  const report = replay({
    span,
    trace,
    before: readTrace(ledgerFile, { from: span.from - dayMs, to: span.from }),
    backends: backendsOf(trace, topology),
    policies: names.map((name) =>
      isAblation(name) ? ablationNamed(name, { order }) : policyNamed(name, { order }),
    ),
    settings: settingsOf(topology),
    curves: true,
    onPolicy: () => tell({ kind: 'progress', share: ++done / names.length }),
  });
  return { from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString(), order, ...report };
}

stepBack();
try {
  const result = job.kind === 'scenario' ? await scenarioResult(job) : replayResult(job);
  tell({ kind: 'done', result: JSON.stringify(result) });
} catch (error) {
  tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
}
