import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { orthancVersion } from '../../test/support/orthanc-process.ts';
import { openTempRoot } from '../../test/support/temp.ts';
import { machine } from '../support/figures.ts';
import { faultsOf } from './judge.ts';
import { isClean, summarize, table } from './report.ts';
import { type RoundResult, run } from './run.ts';

/**
 * Rounds of faults on a farm of real processes while several senders send; after each, everything is given the time to
 * recover, and what the senders were told is compared with what the backends hold.
 */
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    'recovery-seconds': { type: 'string', default: '120' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`usage: npm run chaos -- [--rounds 20] [--seed 1] [--minutes M] [--recovery-seconds 120] [--json]

Round n has the seed S + n - 1, and is replayed alone by --seed with --rounds 1. Ends with 1 when an acknowledged image
is missing or wrong, a study is on two backends, something was removed without a receipt, or a round did not recover.
Disks are filled only where this account may mount a tmpfs: as root, or in
unshare --user --map-root-user --mount npm run chaos`);
  process.exit(0);
}

const say = (text: string): void => {
  if (!options.json) console.log(text);
};

function sayRound(round: RoundResult): void {
  const { recovery, verdict } = round;
  const faults = round.faults.map(
    ({ name, component, beganAt, endedAt, skipped }) =>
      `${component} ${name.slice(name.indexOf(' ') + 1)} ${(beganAt / 1000).toFixed(1)}–${(endedAt / 1000).toFixed(1)} s${skipped === null ? '' : ` (skipped: ${skipped})`}`,
  );
  const whole =
    recovery.wholeMs === null ? 'NOT recovered' : `whole after ${(recovery.wholeMs / 1000).toFixed(1)} s`;
  say(
    `${round.failed ? 'FAILED' : 'ok    '} seed ${round.seed}: ${verdict.acknowledged} of ${verdict.sent} acknowledged, ${whole}; ${faults.join('; ')}`,
  );
  if (!round.failed) return;
  if (recovery.wholeMs === null) say(`       ${JSON.stringify(recovery.last)}`);
  const { missing, wrongContent, onTwoBackends, withoutReceipt } = verdict;
  for (const [what, sentences] of Object.entries({ missing, wrongContent, onTwoBackends, withoutReceipt }))
    if (sentences.length > 0)
      say(`       ${what}: ${sentences.length}, such as ${sentences.slice(0, 3).join('; ')}`);
  say(`       kept in ${round.evidence}`);
}

const closeRoot = openTempRoot();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    // The processes of the farm end with this one; what they had goes before.
    closeRoot();
    process.exit(1);
  });
}
let clean = false;
try {
  const result = await run({
    rounds: Number(options.rounds),
    seed: Number(options.seed),
    minutes: options.minutes === undefined ? null : Number(options.minutes),
    recoveryMs: Number(options['recovery-seconds']) * 1000,
    evidenceFolder: join(tmpdir(), `dde-chaos-${process.pid}`),
    onRound: sayRound,
  });
  clean = isClean(result);
  const summary = summarize(result);
  if (options.json) {
    console.log(
      JSON.stringify(
        { machine: machine(), orthanc: orthancVersion(), withoutDisks: result.withoutDisks, ...summary },
        null,
        2,
      ),
    );
  } else {
    if (result.withoutDisks !== null) say(`\ndisks were not filled: ${result.withoutDisks}`);
    for (const { seeds, verdict } of result.atTheEnd)
      if (faultsOf(verdict) > 0) say(`\nat the end of ${seeds}: ${JSON.stringify(verdict, null, 2)}`);
    say(`\n${machine()}, Orthanc ${orthancVersion()}\n\n${table(summary)}`);
  }
} finally {
  closeRoot();
}
process.exit(clean ? 0 : 1);
