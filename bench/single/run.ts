import { setTimeout as sleep } from 'node:timers/promises';
import { readTrace } from '../../src/ledger/trace.ts';
import { type Association, associate, storable } from '../balance/association.ts';
import { randomFrom } from '../chaos/random.ts';
import { quantile } from '../support/figures.ts';
import { checkAndClear } from '../throughput/check.ts';
import type { Contender, Rig } from '../throughput/contenders/contender.ts';
import { emptied } from '../throughput/run.ts';
import { epochMs } from '../throughput/sender.ts';
import type { StudyToSend } from '../throughput/workloads.ts';
import { type Mode, studiesOf } from './modes.ts';
import { type Passage, type StageFigures, stagesOf } from './stages.ts';
import { type Watch, watchOf } from './watch.ts';

export interface SingleOptions {
  /** Of each contender, that count. */
  readonly images: number;
  /** Sent before, that do not: programs that have just started have much to load. */
  readonly warmUp: number;
  /** Sent by one contender before it is another's turn. */
  readonly block: number;
  /** Between two looks whether an image has arrived. */
  readonly pollMs: number;
}

/** Milliseconds. */
export interface Wait {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ContenderFigures {
  readonly contender: string;
  /** From the first byte of an image to its acknowledgement. */
  readonly storeMs: Wait;
  /** From its acknowledgement until a backend was seen to have it. */
  readonly thereMs: Wait;
  /** From its acknowledgement to its receipt; null: nothing is proven. */
  readonly provenMs: Wait | null;
  /** Where the time to the receipt goes; null: there is no ledger that says so. */
  readonly stages: readonly StageFigures[] | null;
}

export interface ModeFigures {
  readonly mode: Mode;
  readonly contenders: readonly ContenderFigures[];
}

/** Between two images. Drawn, so that they beat with no timer of any contender. */
const pauseMs = { least: 100, most: 300 };

interface Sent {
  readonly studyUid: string;
  readonly orthancId: string;
  readonly storeMs: number;
  readonly acknowledgedAt: number;
  readonly seenAt: number;
}

interface Lane {
  readonly contender: Contender;
  readonly rig: Rig;
  readonly watch: Watch;
  readonly sent: Sent[];
}

/**
 * Sends the same images through every contender, one at a time, the contenders taking turns, another one first in each round.
 *
 * @throws Error when an image is not acknowledged, missing, doubled, of other content, or left on the front: then there are no figures
 */
export async function runMode(
  mode: Mode,
  contenders: readonly Contender[],
  options: SingleOptions,
  seed: number,
): Promise<ModeFigures> {
  const { images, warmUp, block } = options;
  const studies = studiesOf(mode, images + warmUp, `single-${seed}`);
  const random = randomFrom(seed);
  await using stack = new AsyncDisposableStack();
  const lanes: Lane[] = [];
  for (const contender of contenders) {
    const rig = stack.use(await contender.start());
    lanes.push({ contender, rig, watch: stack.use(watchOf(rig.backends, options.pollMs)), sent: [] });
  }
  const all = studies.flatMap(({ instances }) => instances);
  for (let from = 0, round = 0; from < all.length; from += block, round++) {
    const turn = round % lanes.length;
    for (const lane of [...lanes.slice(turn), ...lanes.slice(0, turn)])
      await sendBlock(lane, all.slice(from, from + block), () => random.whole(pauseMs.least, pauseMs.most));
  }
  const figures: ContenderFigures[] = [];
  for (const lane of lanes) {
    try {
      figures.push(await figuresOf(lane, studies, warmUp));
    } catch (error) {
      throw new Error(`${lane.contender.name}, ${mode}`, { cause: error });
    }
  }
  return { mode, contenders: figures };
}

async function sendBlock(
  { rig, watch, sent }: Lane,
  images: readonly StudyToSend['instances'][number][],
  drawPauseMs: () => number,
): Promise<void> {
  let association: Association | null = null;
  try {
    for (const { studyUid, orthancId, file } of images) {
      const image = storable(file);
      association ??= await associate(rig.dicomPort, { sopClass: image.sopClass, callingAet: 'SINGLE' });
      await sleep(drawPauseMs());
      const beganAt = epochMs();
      await association.store(image);
      const acknowledgedAt = epochMs();
      const seenAt = await watch.seenAt(orthancId);
      sent.push({ studyUid, orthancId, storeMs: acknowledgedAt - beganAt, acknowledgedAt, seenAt });
    }
    // The last one's proof shall not fall into another contender's turn.
    await sleep(pauseMs.most);
    await association?.release();
  } finally {
    association?.abort();
  }
}

async function figuresOf(
  { contender, rig, sent }: Lane,
  studies: readonly StudyToSend[],
  warmUp: number,
): Promise<ContenderFigures> {
  if (rig.front !== null) await emptied(rig.front);
  const provenAt = await rig.provenAt(studies.map(({ studyUid }) => studyUid));
  const passages = sent.map(({ orthancId, ...one }): Passage => {
    const at = provenAt === null ? Number.NaN : provenAt.get(orthancId);
    if (at === undefined) throw new Error(`${orthancId} has no receipt`);
    return { ...one, provenAt: at };
  });
  const counted = passages.slice(warmUp);
  const figures = {
    contender: contender.name,
    storeMs: waitOf(sent.slice(warmUp).map(({ storeMs }) => storeMs)),
    thereMs: waitOf(counted.map(({ acknowledgedAt, seenAt }) => seenAt - acknowledgedAt)),
    // Receipts bear whole milliseconds, rounded down.
    provenMs:
      provenAt === null ? null : waitOf(counted.map((one) => one.provenAt + 0.5 - one.acknowledgedAt)),
    stages:
      rig.ledger === undefined
        ? null
        : stagesOf(passages, readTrace(rig.ledger, { from: 0, to: Date.now() + 1000 }), warmUp),
  };
  await checkAndClear(rig.backends, studies, contender.keepsStudiesWhole);
  return figures;
}

function waitOf(times: readonly number[]): Wait {
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: quantile(times, 1) };
}
