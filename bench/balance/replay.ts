import { setTimeout as sleep } from 'node:timers/promises';
import { makeStudy, type SyntheticStudy } from '../../test/support/synthetic.ts';
import { associate, storable } from './association.ts';
import type { TraceStudy } from './trace.ts';

/** A study of the trace with its files. */
export interface MadeStudy {
  readonly trace: TraceStudy;
  readonly study: SyntheticStudy;
}

/** Modalities that send at the same time at most; a front has threads for so many associations. */
export const mostAssociations = 48;

/** The files of a trace: a few hundred megabytes, made once and sent for every policy, so that nobody waits for their making. */
export function makeTrace(trace: readonly TraceStudy[]): readonly MadeStudy[] {
  return trace.map((one) => ({
    trace: one,
    study: makeStudy({
      seed: one.name,
      modality: one.modality,
      station: one.station,
      instances: one.instances,
      bytes: one.bytesPerInstance,
    }),
  }));
}

/**
 * Sends every study image by image at the times of the trace, counted from now, and resolves with the time (milliseconds since the
 * epoch) at which the last image of each was acknowledged, by StudyInstanceUID. An image is sent at its time or as soon as the one
 * before it was acknowledged.
 *
 * @throws Error when an image was not acknowledged: nothing is wrong with a front here.
 */
export async function replay(made: readonly MadeStudy[], port: number): Promise<ReadonlyMap<string, number>> {
  const began = performance.now();
  const acknowledged = new Map<string, number>();
  let free = mostAssociations;
  const waiting: (() => void)[] = [];

  const send = async ({ trace, study }: MadeStudy): Promise<void> => {
    await untilTime(began, trace.at);
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free--;
    try {
      await sendStudy(study, trace, began, port);
      acknowledged.set(study.studyUid, Date.now());
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
  await Promise.all(made.map(send));
  return acknowledged;
}

async function sendStudy(
  study: SyntheticStudy,
  trace: TraceStudy,
  began: number,
  port: number,
): Promise<void> {
  const [first] = study.instances;
  if (first === undefined) return;
  const { sopClass } = storable(first.file);
  const association = await associate(port, { sopClass, callingAet: trace.station });
  try {
    for (const [number, { file }] of study.instances.entries()) {
      await untilTime(began, trace.at + number * trace.secondsBetweenImages);
      await association.store(storable(file));
    }
  } finally {
    association.abort();
  }
}

async function untilTime(began: number, seconds: number): Promise<void> {
  const wait = began + 1000 * seconds - performance.now();
  if (wait > 0) await sleep(wait);
}
