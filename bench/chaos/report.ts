import { quantile } from '../support/figures.ts';
import { faultsOf } from './judge.ts';
import type { RoundResult, RunResult } from './run.ts';
import { faultNames } from './schedule.ts';

export interface FaultLine {
  readonly fault: string;
  readonly times: number;
  /** Seconds, over the rounds with this fault, from the end of the round's last fault to everything proven; null: never. */
  readonly provenMedian: number | null;
  readonly provenMax: number | null;
  /** The same, until the fronts were empty and every study on one backend. */
  readonly wholeMedian: number | null;
  readonly wholeMax: number | null;
  readonly failedRounds: number;
}

export interface Summary {
  readonly rounds: number;
  readonly failedRounds: readonly number[];
  readonly sent: number;
  readonly acknowledged: number;
  /** Instances that were sent with two contents. */
  readonly conflicts: number;
  /** Studies that went to another backend than the one they were bound to. */
  readonly rebound: number;
  readonly missing: number;
  readonly wrongContent: number;
  readonly onTwoBackends: number;
  readonly withoutReceipt: number;
  readonly notRecovered: number;
  readonly endedByThemselves: number;
  readonly faults: readonly FaultLine[];
}

export function summarize({ rounds, atTheEnd, rebound }: RunResult): Summary {
  const verdicts = [...rounds.map((round) => round.verdict), ...atTheEnd.map((end) => end.verdict)];
  const wrong = (of: 'missing' | 'wrongContent' | 'onTwoBackends' | 'withoutReceipt'): number =>
    verdicts.reduce((sum, verdict) => sum + verdict[of].length, 0);
  return {
    rounds: rounds.length,
    failedRounds: rounds.filter((round) => round.failed).map((round) => round.seed),
    sent: rounds.reduce((sum, round) => sum + round.verdict.sent, 0),
    acknowledged: rounds.reduce((sum, round) => sum + round.verdict.acknowledged, 0),
    conflicts: rounds.reduce((sum, round) => sum + round.conflicts, 0),
    rebound,
    missing: wrong('missing'),
    wrongContent: wrong('wrongContent'),
    onTwoBackends: wrong('onTwoBackends'),
    withoutReceipt: wrong('withoutReceipt'),
    notRecovered: rounds.filter((round) => round.recovery.wholeMs === null).length,
    endedByThemselves: rounds.reduce((sum, round) => sum + round.endedByThemselves.length, 0),
    faults: faultNames.flatMap(({ name }) => line(name, rounds)),
  };
}

/** Whether all is as promised: nothing lost, nothing wrong, nothing left over. */
export function isClean({ rounds, atTheEnd }: RunResult): boolean {
  return rounds.every((round) => !round.failed) && atTheEnd.every(({ verdict }) => faultsOf(verdict) === 0);
}

function line(fault: string, rounds: readonly RoundResult[]): FaultLine[] {
  const hit = rounds.filter((round) =>
    round.faults.some((one) => one.name === fault && one.skipped === null),
  );
  if (hit.length === 0) return [];
  const secondsOf = (of: 'provenMs' | 'wholeMs'): number[] =>
    hit.flatMap((round) => {
      const ms = round.recovery[of];
      return ms === null ? [] : [ms / 1000];
    });
  const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
  const [proven, whole] = [secondsOf('provenMs'), secondsOf('wholeMs')];
  return [
    {
      fault,
      times: hit.reduce((sum, round) => sum + round.faults.filter((one) => one.name === fault).length, 0),
      provenMedian: orNull(quantile(proven, 0.5)),
      provenMax: orNull(quantile(proven, 1)),
      wholeMedian: orNull(quantile(whole, 0.5)),
      wholeMax: orNull(quantile(whole, 1)),
      failedRounds: hit.filter((round) => round.failed).length,
    },
  ];
}

const dash = '–';
const seconds = (value: number | null): string => (value === null ? dash : value.toFixed(1));

/** The summary as a person reads it, 100 columns wide. */
export function table(summary: Summary): string {
  const rows = summary.faults.map((fault) => [
    fault.fault,
    String(fault.times),
    seconds(fault.provenMedian),
    seconds(fault.provenMax),
    seconds(fault.wholeMedian),
    seconds(fault.wholeMax),
    String(fault.failedRounds),
  ]);
  const head = ['fault', 'times', 'proven', 'max', 'whole', 'max', 'failed'];
  const widths = head.map((word, column) =>
    Math.max(word.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const text = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  const failed =
    summary.failedRounds.length === 0
      ? ''
      : `\nfailed rounds, by seed          ${summary.failedRounds.join(', ')}`;
  return `${text(head)}
${rows.map(text).join('\n')}

"proven": seconds from the end of a round's last fault until everything was proven on a backend, median and
maximum over the rounds with this fault; "whole": until besides the fronts were empty and every study on one backend.

rounds                          ${summary.rounds}
images sent                     ${summary.sent}
acknowledged                    ${summary.acknowledged}
sent again with other content   ${summary.conflicts}
studies bound anew              ${summary.rebound}
acknowledged and missing        ${summary.missing}
wrong content                   ${summary.wrongContent}
studies on two backends         ${summary.onTwoBackends}
removed without receipt         ${summary.withoutReceipt}
rounds that did not recover     ${summary.notRecovered}${failed}`;
}
