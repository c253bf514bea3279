import { setTimeout as sleep } from 'node:timers/promises';
import { timeOf } from '../../src/simulate/arriving.ts';
import { type Modality, makeStudy, type SyntheticStudy } from '../../test/support/synthetic.ts';
import { associate, storable } from './association.ts';
import type { LiveCase, TraceStudy } from './live-case.ts';

/** A study of the trace with its files. */
export interface MadeStudy {
  readonly trace: TraceStudy;
  readonly study: SyntheticStudy;
}

/** Modalities that send at the same time at most; a front has threads for so many associations. */
export const mostAssociations = 48;

const modalities: readonly Modality[] = ['CT', 'MR', 'CR', 'US'];

/**
 * The files of all studies: a few hundred megabytes, made once and sent for every policy, so that nobody waits for their making.
 *
 * @throws Error for a modality of which no images can be made
 */
export function makeFiles({ scenario, studies }: LiveCase): readonly MadeStudy[] {
  return studies.map((trace) => {
    const { studyUid, station, instances, bytes, ...arrival } = trace.arrival;
    const modality = modalities.find((one) => one === arrival.modality);
    if (modality === undefined || station === null)
      throw new Error(`no images of ${arrival.modality} can be made`);
    const study = makeStudy({
      seed: `${scenario.name} ${studyUid}`,
      studyUid,
      modality,
      station,
      instances,
      bytes: bytes / instances,
    });
    return { trace, study };
  });
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
    await untilTime(began, trace.arrival.at);
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
  const association = await associate(port, { sopClass, callingAet: study.station });
  try {
    for (const [number, { file }] of study.instances.entries()) {
      await untilTime(began, timeOf(trace.arrival, number));
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
