import type { Trace } from '../../src/ledger/trace.ts';
import { quantile } from '../support/figures.ts';

/** What is known of one image from outside the service, epoch milliseconds. */
export interface Passage {
  readonly studyUid: string;
  readonly acknowledgedAt: number;
  /** When a backend was first seen to have it. */
  readonly seenAt: number;
  /** By its receipt. */
  readonly provenAt: number;
}

/** The parts of an image's way from acknowledgement to proof, in that order. */
export const stages = ['announced', 'placed', 'transfer begun', 'on its backend', 'proven'] as const;
export type Stage = (typeof stages)[number];

export interface StageFigures {
  readonly stage: Stage;
  /** Milliseconds since the stage before, or since the acknowledgement. An announcement may come before the sender hears that its image is kept. */
  readonly p50: number;
  readonly p99: number;
}

/** The ledger's times are whole milliseconds; its clock began at one that was rounded down. */
const roundedMs = 0.5;

/**
 * Where the time goes, from what the ledger has kept: when each image was announced, its study placed, and its transfer begun. Of images
 * that came one at a time, in the order they were sent in; the first `warmUp` of them do not count.
 *
 * @throws Error when the ledger knows another number of images, or one went with no transfer or with a transfer of more than one
 */
export function stagesOf(passages: readonly Passage[], trace: Trace, warmUp: number): StageFigures[] {
  const studies = new Map(trace.studies.map((study) => [study.studyUid, { ...study, next: 0 }]));
  const spans = new Map<Stage, number[]>(stages.map((stage) => [stage, []]));
  for (const [number, { studyUid, acknowledgedAt, seenAt, provenAt }] of passages.entries()) {
    const study = studies.get(studyUid);
    const arrivedAt = study?.arrivals[study.next];
    if (study === undefined || arrivedAt === undefined || study.assignedAt === null)
      throw new Error(`the ledger does not know all images of ${studyUid}`);
    // Only the first image of a study waits for its placing.
    const isFirst = study.next === 0;
    study.next++;
    const transfer = trace.transfers.findLast(
      ({ startedAt, endedAt }) => startedAt >= arrivedAt && endedAt <= provenAt,
    );
    if (transfer?.instances !== 1) throw new Error(`an image of ${studyUid} did not go by itself`);
    const announcedAt = arrivedAt + roundedMs;
    const placedAt = isFirst ? study.assignedAt + roundedMs : announcedAt;
    const times = [
      acknowledgedAt,
      announcedAt,
      placedAt,
      transfer.startedAt + roundedMs,
      seenAt,
      provenAt + roundedMs,
    ];
    if (number < warmUp) continue;
    for (const [index, stage] of stages.entries())
      spans.get(stage)?.push((times[index + 1] ?? Number.NaN) - (times[index] ?? Number.NaN));
  }
  return stages.map((stage) => {
    const span = spans.get(stage) ?? [];
    return { stage, p50: quantile(span, 0.5), p99: quantile(span, 0.99) };
  });
}
