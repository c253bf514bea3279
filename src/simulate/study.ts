import type { EpochMs, StudySize, StudyToPlace } from '../study.ts';
import { arrivedBy, lastTime, type StudyArrival, timeOf } from './arriving.ts';

/** A study on its way through the simulated farm. */
export interface Study {
  readonly arrival: StudyArrival;
  /** When its last image is on the front, in seconds. */
  readonly lastAt: number;
  /** Number of its backend; null: it waits. */
  backend: number | null;
  epoch: number;
  /** Proven on the backend it is bound to. */
  proven: number;
  /** When everything was proven; null: not yet. */
  availableAt: number | null;
  /** Backends it was bound to before, that were given something of it. */
  readonly former: Set<number>;
  prediction: Prediction | null;
}

interface Prediction {
  readonly size: StudySize;
  readonly madeAt: number;
}

/** A prediction is good for so long, unless more has come than it said. */
const freshSeconds = 1;

export function createStudy(arrival: StudyArrival): Study {
  return {
    arrival,
    lastAt: lastTime(arrival),
    backend: null,
    epoch: 1,
    proven: 0,
    availableAt: null,
    former: new Set(),
    prediction: null,
  };
}

/** What the service would know of it. `seconds`: the virtual clock; `epochMs`: the same as the policies read it. */
export function toPlace(
  study: Study,
  seconds: number,
  epochMs: (seconds: number) => EpochMs,
  predict: (study: Omit<StudyToPlace, 'expected'>) => StudySize,
): StudyToPlace {
  const { arrival, prediction } = study;
  const instances = arrivedBy(arrival, seconds);
  const known = {
    studyUid: arrival.studyUid,
    copy: 0,
    modality: arrival.modality,
    station: arrival.station,
    instances,
    bytes: Math.round((arrival.bytes * instances) / arrival.instances),
    firstSeenAt: epochMs(arrival.at),
    lastNewsAt: epochMs(timeOf(arrival, Math.max(0, instances - 1))),
  };
  const isFresh =
    prediction !== null &&
    instances <= prediction.size.instances &&
    (seconds - prediction.madeAt < freshSeconds || isWhole(prediction, instances));
  const size = isFresh ? prediction.size : predict(known);
  const madeAt = isFresh ? prediction.madeAt : seconds;
  if (!isFresh) study.prediction = { size, madeAt };
  return { ...known, expected: { ...size, arrivesIn: Math.max(0, size.arrivesIn - (seconds - madeAt)) } };
}

function isWhole({ size }: Prediction, instances: number): boolean {
  return size.arrivesIn === 0 && size.instances === instances;
}

/** What is still to come: how much, and the pace at which it will. */
export interface Coming {
  instances: number;
  bytes: number;
  instancesPerSecond: number;
  bytesPerSecond: number;
}

/**
 * Adds what is still expected of a bound study, by the last prediction; false: it has run out, and another one must be made. Added to what
 * is given, since it is asked of each study that arrives in each round.
 */
export function addComing(
  { arrival, prediction }: Study,
  instances: number,
  seconds: number,
  sum: Coming,
): boolean {
  if (prediction === null) return false;
  const { size, madeAt } = prediction;
  const left = size.arrivesIn - (seconds - madeAt);
  if (size.instances <= instances || left <= 0) return false;
  const more = size.instances - instances;
  const bytes = Math.max(0, size.bytes - (arrival.bytes * instances) / arrival.instances);
  sum.instances += more;
  sum.bytes += bytes;
  sum.instancesPerSecond += more / left;
  sum.bytesPerSecond += bytes / left;
  return true;
}
