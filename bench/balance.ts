import { parseArgs } from 'node:util';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { openTempRoot } from '../test/support/temp.ts';
import { makeTrace } from './balance/replay.ts';
import { type Run, runOnce } from './balance/run.ts';
import { liveScenarios } from './balance/scenarios.ts';
import { traceOf } from './balance/trace.ts';

const { values: options } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true, default: ['differing'] },
    policy: { type: 'string', multiple: true, default: ['least-in-flight', 'round-robin'] },
    studies: { type: 'string', default: '200' },
    repeats: { type: 'string', default: '3' },
  },
});
const closeRoot = openTempRoot();
try {
  for (const scenario of liveScenarios.filter(({ name }) => options.scenario.includes(name))) {
    const made = makeTrace(traceOf(scenario, Number(options.studies), 1));
    for (const policy of options.policy) {
      const began = performance.now();
      const run: Run = await runOnce(scenario, made, { policy, order: 'fifo' });
      console.log(scenario.name, policy, run, (performance.now() - began) / 1000, orthancVersion());
    }
  }
} finally {
  closeRoot();
}
