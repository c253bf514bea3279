import { learn, prior, type ServiceModel } from '../../backends/model/service.ts';
import { emptyHistory, learnSize, type SizeHistory } from '../../backends/model/size.ts';
import type { Policy } from '../../decision/policy.ts';
import type { RecordedStudy, Trace } from '../../ledger/trace.ts';
import type { EpochMs } from '../../study.ts';
import type { StudyArrival } from '../arriving.ts';
import { type Curve, curveOf } from '../curves.ts';
import { type ServiceSettings, simulate } from '../simulate.ts';
import type { ModelledBackend } from '../world.ts';
import { type MeasuredBackend, measureBackends } from './measure.ts';

export interface Span {
  readonly from: EpochMs;
  readonly to: EpochMs;
}

/** A backend as it is set up now: what it was set to then is not recorded. */
export interface SetUp {
  readonly name: string;
  readonly lanes: number;
  readonly weight: number;
}

export interface ReplayRequest {
  readonly span: Span;
  readonly trace: Trace;
  /** The time before, from which the policies know speeds and sizes at the beginning. */
  readonly before: Trace;
  readonly backends: readonly SetUp[];
  readonly policies: readonly Policy[];
  readonly settings: Partial<ServiceSettings>;
  /** Whether the times of all studies are wanted too, to be drawn. */
  readonly curves?: boolean;
  /** Called after each policy. */
  readonly onPolicy?: () => void;
}

/** Seconds from the last image on a front until everything is proven on the backend. */
export interface Distribution {
  readonly studies: number;
  /** Not available in the end. */
  readonly lost: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** From the first image of the first study until the last study was available, in seconds. */
  readonly makespan: number | null;
}

export interface ReplayRow extends Distribution {
  readonly policy: string;
  /** Studies on each backend in the end. */
  readonly backends: Readonly<Record<string, number>>;
}

export interface ReplayReport {
  readonly studies: number;
  readonly images: number;
  readonly bytes: number;
  /** Studies of the span that are not replayed: no image of them is left to count. */
  readonly leftOut: number;
  /** Images that came long after the rest of their study, and are not replayed. */
  readonly late: number;
  readonly was: ReplayRow;
  readonly rows: readonly ReplayRow[];
  readonly measured: readonly MeasuredBackend[];
  /** Of the studies that were available in the end, in the order of the rows; present when it was asked for. */
  readonly curves?: readonly Curve[];
}

/** What would have become of the studies of a span, had other policies placed them, on backends that are as they were measured. */
export function replay(request: ReplayRequest): ReplayReport {
  const { span, trace, before, settings } = request;
  const studies = trace.studies.filter(({ arrivals }) => arrivals.length > 0);
  const arrivals = studies.map((study) => arrivalOf(study, span.from));
  const names = request.backends.map(({ name }) => name);
  const measured = measureBackends(names, trace.transfers, trace.minutes, span);
  const backends = request.backends.map((setUp, index) => modelOf(setUp, measured[index], span));
  const known = { services: servicesAfter(before, names), sizes: sizesAfter(before) };
  const was = studies.map((study) => outcomeOf(study, span.from));
  const outcomes: (readonly [policy: string, studies: readonly Outcome[]])[] = [];
  for (const policy of request.policies) {
    const result = simulate({ arrivals, backends, policy, seed: 1, settings, ...known });
    outcomes.push([policy.name, result.studies]);
    request.onPolicy?.();
  }
  return {
    studies: studies.length,
    images: arrivals.reduce((sum, { instances }) => sum + instances, 0),
    bytes: arrivals.reduce((sum, { bytes }) => sum + bytes, 0),
    leftOut: trace.studies.length - studies.length,
    late: studies.reduce((sum, { late }) => sum + late, 0),
    was: rowOf(policyOf(studies), was),
    rows: outcomes.map(([policy, replayed]) => rowOf(policy, replayed)),
    measured,
    ...(request.curves === true
      ? {
          curves: [
            curveOf(`as it was (${policyOf(studies)})`, waitsOf(was)),
            ...outcomes.map(([policy, replayed]) => curveOf(policy, waitsOf(replayed))),
          ],
        }
      : {}),
  };
}

/** The policy that placed most of them; `none` where none was placed by one. */
export function policyOf(studies: readonly RecordedStudy[]): string {
  const counts = new Map<string, number>();
  for (const { policy } of studies) if (policy !== null) counts.set(policy, (counts.get(policy) ?? 0) + 1);
  const [most] = [...counts].toSorted((a, b) => b[1] - a[1]);
  return most?.[0] ?? 'none';
}

function arrivalOf(
  { studyUid, modality, station, arrivals, bytes }: RecordedStudy,
  from: EpochMs,
): StudyArrival {
  const times = arrivals.map((at) => (at - from) / 1000);
  const at = times[0] ?? 0;
  return {
    studyUid,
    modality,
    station,
    at,
    seconds: (times.at(-1) ?? at) - at,
    instances: times.length,
    bytes: Math.round(bytes),
    times,
  };
}

interface Outcome {
  readonly backend: string | null;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly availableAt: number | null;
}

function outcomeOf({ arrivals, backend, availableAt }: RecordedStudy, from: EpochMs): Outcome {
  const first = arrivals[0] ?? from;
  return {
    backend,
    firstAt: (first - from) / 1000,
    lastAt: ((arrivals.at(-1) ?? first) - from) / 1000,
    availableAt: availableAt === null ? null : (availableAt - from) / 1000,
  };
}

/** Of those that were available in the end. */
function waitsOf(outcomes: readonly Outcome[]): readonly number[] {
  return outcomes.flatMap(({ availableAt, lastAt }) =>
    availableAt === null ? [] : [Math.max(0, availableAt - lastAt)],
  );
}

function rowOf(policy: string, outcomes: readonly Outcome[]): ReplayRow {
  const waits = waitsOf(outcomes).toSorted((a, b) => a - b);
  const first = outcomes.reduce((least, { firstAt }) => Math.min(least, firstAt), Number.POSITIVE_INFINITY);
  const last = outcomes.reduce((most, { availableAt }) => Math.max(most, availableAt ?? 0), 0);
  const backends: Record<string, number> = {};
  for (const { backend } of outcomes) if (backend !== null) backends[backend] = (backends[backend] ?? 0) + 1;
  return {
    policy,
    studies: outcomes.length,
    lost: outcomes.length - waits.length,
    p50: quantile(waits, 0.5),
    p95: quantile(waits, 0.95),
    p99: quantile(waits, 0.99),
    max: waits.at(-1) ?? null,
    makespan: waits.length === 0 ? null : last - first,
    backends,
  };
}

/** The smallest value that so great a share of them does not exceed. */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

function modelOf(setUp: SetUp, measured: MeasuredBackend | undefined, { from, to }: Span): ModelledBackend {
  if (measured === undefined) throw new RangeError(`${setUp.name} was not measured`);
  const conditions = measured.conditions.map(({ at, speed, answers }) => ({
    at: (at - from) / 1000,
    speed,
    steady: speed,
    answers,
  }));
  // What was afterwards is not looked at: what is left over then is to be delivered, and not to be lost.
  const afterwards = { at: (to - from) / 1000, speed: 1, steady: 1, answers: true };
  return { ...setUp, ...measured.law, conditions: [...conditions, afterwards] };
}

/** What the service would have learnt of their speed by then. */
function servicesAfter({ transfers }: Trace, names: readonly string[]): ReadonlyMap<string, ServiceModel> {
  const models = new Map<string, ServiceModel>(names.map((name) => [name, prior]));
  for (const { backend, startedAt, endedAt, instances, bytes, ok } of transfers) {
    const model = models.get(backend);
    if (model === undefined || !ok) continue;
    models.set(backend, learn(model, { instances, bytes, seconds: (endedAt - startedAt) / 1000, endedAt }));
  }
  return models;
}

function sizesAfter({ studies }: Trace): SizeHistory {
  return studies.reduce<SizeHistory>(
    (history, { modality, station, arrivals, bytes }) =>
      learnSize(history, {
        modality,
        station,
        instances: arrivals.length,
        bytes,
        seconds: ((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)) / 1000,
      }),
    emptyHistory(),
  );
}
