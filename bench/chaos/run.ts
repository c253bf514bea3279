import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '../../test/support/temp.ts';
import { type ChaosFarm, shape, startChaosFarm } from './farm.ts';
import { type InflictedFault, inflict } from './faults.ts';
import { faultsOf, judge, noteSent, type Sent, type Verdict } from './judge.ts';
import { heal, type Recovery, recovered } from './recovery.ts';
import { drawRound, type RoundPlan } from './schedule.ts';
import { sendRound } from './senders.ts';

export interface RoundResult {
  readonly seed: number;
  readonly plan: RoundPlan;
  readonly faults: readonly InflictedFault[];
  /** Instances that were sent with two contents. */
  readonly conflicts: number;
  /** From the end of the last fault, or of the last sender where that came later. */
  readonly recovery: Recovery;
  readonly verdict: Verdict;
  readonly neverAcknowledged: number;
  /** Studies that were bound to another backend, since the farm began. */
  readonly rebound: number;
  /** Sentences about processes that ended without a fault's doing. */
  readonly endedByThemselves: readonly string[];
  readonly failed: boolean;
  /** Folder with what is left of a failed round; null of one that did not fail. */
  readonly evidence: string | null;
}

export interface RunOptions {
  readonly rounds: number;
  /** Of the first round; each further one has the next. */
  readonly seed: number;
  /** No further round begins after this time; null: no limit. */
  readonly minutes: number | null;
  readonly evidenceFolder: string;
  /** How long a round may take to recover, in milliseconds. */
  readonly recoveryMs: number;
  readonly onRound?: (result: RoundResult) => void;
}

/** A farm serves so many rounds, each with what the ones before left on the backends; then it is judged as a whole. */
const roundsOnAFarm = 10;

export interface RunResult {
  readonly rounds: readonly RoundResult[];
  /** What was found when a farm was looked through once more at its end. */
  readonly atTheEnd: readonly { readonly seeds: string; readonly verdict: Verdict }[];
  /** Studies that were bound to another backend while their rounds went on. */
  readonly rebound: number;
  /** Why disks were not filled; null when they were. */
  readonly withoutDisks: string | null;
}

export async function run(options: RunOptions): Promise<RunResult> {
  const until =
    options.minutes === null ? Number.POSITIVE_INFINITY : performance.now() + options.minutes * 60_000;
  const rounds: RoundResult[] = [];
  const atTheEnd: RunResult['atTheEnd'][number][] = [];
  let withoutDisks: string | null = null;
  let rebound = 0;
  const more = (): boolean => rounds.length < options.rounds && performance.now() < until;

  while (more()) {
    await using chaos = await startChaosFarm();
    withoutDisks = chaos.withoutDisks;
    const all = new Map<string, Sent>();
    const first = options.seed + rounds.length;
    let usable = true;
    for (let served = 0; served < roundsOnAFarm && more() && usable; served++) {
      const result = await runRound(chaos, options.seed + rounds.length, all, options);
      rounds.push(result);
      options.onRound?.(result);
      // What a failed round leaves, or a conflict, would be counted again in the next.
      usable = !result.failed && result.conflicts === 0;
    }
    rebound += rounds.at(-1)?.rebound ?? 0;
    if (rounds.at(-1)?.failed === true) continue;
    const seeds = `${first}–${options.seed + rounds.length - 1}`;
    const verdict = await judge(chaos, [...all.values()], all);
    if (faultsOf(verdict) > 0) {
      const folder = join(options.evidenceFolder, `end-of-${seeds}`);
      chaos.keepEvidence(folder);
      writeFileSync(join(folder, 'verdict.json'), JSON.stringify(verdict, null, 2));
    }
    atTheEnd.push({ seeds, verdict });
  }
  return { rounds, atTheEnd, rebound, withoutDisks };
}

async function runRound(
  chaos: ChaosFarm,
  seed: number,
  all: Map<string, Sent>,
  { recoveryMs, evidenceFolder }: RunOptions,
): Promise<RoundResult> {
  await using dir = await tempDir('round');
  const plan = drawRound(seed, shape);
  const endedBefore = chaos.endedByThemselves.length;
  const began = performance.now();
  const [told, ...faults] = await Promise.all([
    sendRound(chaos, plan, dir.path, began),
    ...plan.faults.map((fault) => inflict(chaos, fault, began)),
  ]);
  await heal(chaos);
  const sent = noteSent(told);
  const conflicts = sent.filter((one) => one.altered !== null).length;
  const recovery = await recovered(chaos, recoveryMs, conflicts);
  for (const one of sent) all.set(one.orthancId, one);
  const verdict = await judge(chaos, sent, all);
  const failed = recovery.wholeMs === null || faultsOf(verdict) > 0;
  const result: RoundResult = {
    seed,
    plan,
    faults,
    conflicts,
    recovery,
    verdict,
    neverAcknowledged: verdict.sent - verdict.acknowledged,
    rebound: await reboundSoFar(chaos),
    endedByThemselves: chaos.endedByThemselves.slice(endedBefore),
    failed,
    evidence: failed ? join(evidenceFolder, `seed-${seed}`) : null,
  };
  if (result.evidence !== null) {
    mkdirSync(result.evidence, { recursive: true });
    chaos.keepEvidence(result.evidence);
    writeFileSync(join(result.evidence, 'round.json'), JSON.stringify(result, null, 2));
  }
  return result;
}

/** 0 of a service that does not answer: that round has failed anyway. */
async function reboundSoFar(chaos: ChaosFarm): Promise<number> {
  try {
    const totals = await chaos.farm.service.get<{ decisions: { rebound: number } }>('/api/v1/totals');
    return totals.decisions.rebound;
  } catch {
    return 0;
  }
}
