import { parseArgs } from 'node:util';
import { orthancVersion } from '../test/support/orthanc-process.ts';
import { openTempRoot } from '../test/support/temp.ts';
import { type LiveCase, liveCase, liveNames } from './balance/live-case.ts';
import { modelOf } from './balance/model.ts';
import { type PolicyUnderTest, parsePolicy } from './balance/policy.ts';
import { makeFiles } from './balance/replay.ts';
import { reportOf, type ScenarioReport, tableOf } from './balance/report.ts';
import { type Run, runOnce } from './balance/run.ts';
import { machine } from './support/figures.ts';
import { whole } from './support/options.ts';
import { goFirst } from './support/priority.ts';

/**
 * Five real backends behind proxies that slow them, one trace of studies that arrive image by image, and the policies in turn on
 * farms of their own: how long after its last image was acknowledged is a study whole and proven on a backend? Beside it what the
 * simulator makes of the same trace. A run counts only if every image is on one backend, with its study and its content,
 * and none on the front; otherwise the bench fails.
 */
const { values: options } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true, default: ['differing'] },
    policy: {
      type: 'string',
      multiple: true,
      default: ['expected-completion', 'least-in-flight', 'round-robin'],
    },
    studies: { type: 'string', default: '200' },
    repeats: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run bench:balance -- [--scenario NAME|FILE|all] [--policy NAME[:ORDER]] [--studies 200] [--repeats 3] [--seed 1] [--json]
  --scenario and --policy may be given several times; every policy is compared with the first
  scenarios: ${liveNames().join(', ')}, or a file as of dde simulate with speeds that this machine can feed`);
  process.exit(0);
}
const repeats = whole('repeats', options.repeats);
const studies = whole('studies', options.studies);
const seed = whole('seed', options.seed);
const policies = options.policy.map(parsePolicy);
const scenarios = options.scenario.includes('all') ? liveNames() : options.scenario;
const cases = scenarios.map((name) => liveCase(name, studies, seed));

const closeRoot = openTempRoot();
const endFirst = goFirst();
if (endFirst === null) say('priority cannot be raised here: times include waiting for a CPU');
try {
  const reports: ScenarioReport[] = [];
  for (const live of cases) {
    say(`${live.scenario.name}: ${live.scenario.about}`);
    const report = await compare(live);
    say(`\n${tableOf(report)}\n`);
    reports.push(report);
  }
  const about = { machine: machine(), orthanc: orthancVersion(), studies, repeats, seed };
  if (options.json) console.log(JSON.stringify({ ...about, scenarios: reports }, null, 2));
  else
    console.log(`${about.machine}, Orthanc ${about.orthanc}; ${studies} studies a run, medians of ${repeats} runs each
checked in every run: all images on one backend each, studies whole, pixels as sent, front empty
seconds from a study's last image acknowledged to all of it proven on its backend; all: from
the first image to the last proof; MODEL: p99 in the simulator, with the same studies;
×: times as long as ${policies[0]?.label}, each repeat by itself, and the same in the model`);
} finally {
  endFirst?.();
  closeRoot();
}

async function compare(live: LiveCase): Promise<ScenarioReport> {
  const made = makeFiles(live);
  const runs = new Map<PolicyUnderTest, Run[]>(policies.map((policy) => [policy, []]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    // Another one first each time, so that a machine that grows slower does not speak for one of them.
    const turn = repeat % policies.length;
    for (const policy of [...policies.slice(turn), ...policies.slice(0, turn)]) {
      const run = await runOnce(live, made, policy);
      runs.get(policy)?.push(run);
      const figures = `p50 ${run.p50.toFixed(2)} s, p99 ${run.p99.toFixed(2)} s, all ${run.makespan.toFixed(1)} s`;
      say(
        `run ${repeat + 1} ${policy.label}: ${figures}; studies ${run.studies.join(' ')}, CPU ${(100 * run.cpu).toFixed(0)} %`,
      );
    }
  }
  return reportOf(
    live.scenario.name,
    [...runs].map(([policy, done]) => ({
      label: policy.label,
      runs: done,
      model: modelOf(live, policy),
    })),
  );
}

function say(line: string): void {
  if (!options.json) console.log(line);
}
