import type { RecordedMinute, RecordedTransfer } from '../../ledger/trace.ts';
import type { EpochMs } from '../../study.ts';
import { fitLaws, type Law, type Observation, secondsBy, unmeasured } from './fit.ts';

/** How one backend was over a span of time. */
export interface MeasuredBackend {
  readonly name: string;
  readonly law: Law;
  /** Transfers it was measured by; 0: nothing is known. */
  readonly transfers: number;
  /** Minute by minute, where it was not as its law says. */
  readonly conditions: readonly MeasuredCondition[];
}

export interface MeasuredCondition {
  readonly at: EpochMs;
  /** Share of its usual speed. */
  readonly speed: number;
  readonly answers: boolean;
}

const minuteMs = 60_000;
/** A minute's transfers count against so many seconds of usual work: one small transfer is no measurement of a minute. */
const doubtSeconds = 2;
/** What was seen last holds for so long where nothing was sent. */
const holdsMinutes = 5;
/** A transfer that failed sooner was refused, and not slow. */
const failedAfterMs = 3_000;
const slowest = 0.02;
const fastest = 5;

/** What transfers and polls say of these backends. */
export function measureBackends(
  names: readonly string[],
  transfers: readonly RecordedTransfer[],
  minutes: readonly RecordedMinute[],
  span: { readonly from: EpochMs; readonly to: EpochMs },
): readonly MeasuredBackend[] {
  const transfersOf = Map.groupBy(transfers, ({ backend }) => backend);
  const minutesOf = Map.groupBy(minutes, ({ orthanc }) => orthanc);
  const observedOf = names.map((name) => observe(transfersOf.get(name) ?? []));
  const goodOf = observedOf.map((observed) => observed.filter(({ ok }) => ok));
  const laws = fitLaws(goodOf.map((good) => good.map(({ observation }) => observation)));
  return names.map((name, index) => {
    const law = laws[index] ?? unmeasured;
    const speeds = speedsOf(law, observedOf[index] ?? []);
    const down = new Set(
      (minutesOf.get(name) ?? []).filter(({ up }) => up < 0.5).map(({ at }) => minuteOf(at)),
    );
    return { name, law, transfers: goodOf[index]?.length ?? 0, conditions: conditionsOf(speeds, down, span) };
  });
}

interface Observed {
  readonly observation: Observation;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs;
  readonly ok: boolean;
}

/**
 * Transfers with the company they had. Of those that failed only what says something of speed: it moved less than it should have in
 * its time. A refusal within a moment says nothing.
 */
function observe(transfers: readonly RecordedTransfer[]): readonly Observed[] {
  const byStart = transfers.toSorted((a, b) => a.startedAt - b.startedAt);
  const longest = byStart.reduce((most, { startedAt, endedAt }) => Math.max(most, endedAt - startedAt), 0);
  let first = 0;
  return byStart.flatMap((one) => {
    const { startedAt, endedAt, instances, bytes, ok } = one;
    const ms = endedAt - startedAt;
    while ((byStart[first]?.startedAt ?? startedAt) < startedAt - longest) first++;
    if (ok ? ms <= 0 || instances <= 0 : ms < failedAfterMs) return [];
    let together = 0;
    for (let index = first; index < byStart.length; index++) {
      const other = byStart[index];
      if (other === undefined || other.startedAt >= endedAt) break;
      together += Math.max(0, Math.min(endedAt, other.endedAt) - Math.max(startedAt, other.startedAt));
    }
    const observation = { instances, bytes, seconds: ms / 1000, company: Math.max(1, together / ms) };
    return [{ observation, startedAt, endedAt, ok }];
  });
}

/** For each minute in which it carried something the share of its usual speed. */
function speedsOf(law: Law, observed: readonly Observed[]): ReadonlyMap<number, number> {
  const expected = new Map<number, number>();
  const actual = new Map<number, number>();
  const add = (sums: Map<number, number>, minute: number, seconds: number): void => {
    sums.set(minute, (sums.get(minute) ?? 0) + seconds);
  };
  for (const { observation, startedAt, endedAt } of observed) {
    const usual = secondsBy(law, observation);
    for (let minute = minuteOf(startedAt); minute < endedAt; minute += minuteMs) {
      const inside = Math.min(endedAt, minute + minuteMs) - Math.max(startedAt, minute);
      add(expected, minute, usual * (inside / (endedAt - startedAt)));
      add(actual, minute, inside / 1000);
    }
  }
  return new Map(
    [...actual].map(([minute, seconds]) => {
      const share = ((expected.get(minute) ?? 0) + doubtSeconds) / (seconds + doubtSeconds);
      return [minute, Math.min(fastest, Math.max(slowest, share))];
    }),
  );
}

/** Only what changes from one minute to the next. */
function conditionsOf(
  speeds: ReadonlyMap<number, number>,
  down: ReadonlySet<number>,
  span: { readonly from: EpochMs; readonly to: EpochMs },
): readonly MeasuredCondition[] {
  const conditions: MeasuredCondition[] = [];
  let last = { speed: 1, answers: true };
  let seen = { speed: 1, at: Number.NEGATIVE_INFINITY };
  for (let minute = minuteOf(span.from); minute < span.to; minute += minuteMs) {
    const measured = speeds.get(minute);
    if (measured !== undefined) seen = { speed: measured, at: minute };
    const speed = minute - seen.at <= holdsMinutes * minuteMs ? seen.speed : 1;
    const next = { speed, answers: !down.has(minute) };
    if (next.speed !== last.speed || next.answers !== last.answers) {
      conditions.push({ at: Math.max(minute, span.from), ...next });
      last = next;
    }
  }
  return conditions;
}

function minuteOf(at: EpochMs): EpochMs {
  return Math.floor(at / minuteMs) * minuteMs;
}
