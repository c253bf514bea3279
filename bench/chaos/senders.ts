import { setTimeout as sleep } from 'node:timers/promises';
import { sendDicom } from '../../test/support/dicom-sender.ts';
import type { OrthancProcess } from '../../test/support/orthanc-process.ts';
import {
  makeStudy,
  type SyntheticInstance,
  withOtherContent,
  writeInstances,
} from '../../test/support/synthetic.ts';
import type { ChaosFarm } from './farm.ts';
import type { RoundPlan, StudyPlan } from './schedule.ts';

/** What the senders of one instance were told in the end. */
export interface Told {
  readonly instance: SyntheticInstance;
  readonly study: string;
  readonly acknowledged: boolean;
  /** How often it was sent in vain before. */
  readonly refusals: number;
  /** The same identifiers with other content, if that was acknowledged later. */
  readonly altered: SyntheticInstance | null;
}

/** Modalities send again what was not acknowledged; they give up this long after the round began. */
const giveUpAfterMs = 60_000;
const pauseMs = 500;
/** An association in which nothing is answered any more is broken off. */
const associationMs = 20_000;

/** Sends everything the plan has, each study by senders of its own, and answers what was told about each instance. */
export async function sendRound(
  chaos: ChaosFarm,
  plan: RoundPlan,
  folder: string,
  began: number,
): Promise<readonly Told[]> {
  // Each sender under way listens for the end of this process.
  process.setMaxListeners(200);
  const told = await Promise.all(
    plan.studies.map((study) => sendStudy(chaos, plan.seed, study, folder, began)),
  );
  return told.flat();
}

async function sendStudy(
  chaos: ChaosFarm,
  seed: number,
  plan: StudyPlan,
  folder: string,
  began: number,
): Promise<Told[]> {
  const study = makeStudy({
    seed: `chaos-${seed}-${plan.name}`,
    instances: plan.instances,
    bytes: plan.bytes,
    modality: plan.modality,
  });
  const files = await writeInstances(study.instances, `${folder}/${plan.name}`);
  const acknowledged = new Set<string>();
  const refusals = new Map<string, number>();

  const send = async (front: string, wanted: readonly string[]): Promise<void> => {
    const target = chaos.farm.fronts.find(({ name }) => name === front);
    if (target === undefined) throw new Error(`there is no ${front}`);
    let open = wanted;
    while (open.length > 0 && performance.now() - began < giveUpAfterMs) {
      const answers = await sendDicom(open, {
        port: target.dicomPort,
        callingAet: plan.modality,
        timeoutMs: associationMs,
      });
      for (const { file, acknowledged: taken } of answers) {
        if (taken) acknowledged.add(file);
        else refusals.set(file, (refusals.get(file) ?? 0) + 1);
      }
      open = answers.filter((answer) => !answer.acknowledged).map((answer) => answer.file);
      if (open.length > 0) await sleep(pauseMs);
    }
  };
  /** Over each of its fronts its share, and the first of all over every one. */
  const sendPart = async (part: readonly string[]): Promise<void> => {
    const sending = plan.fronts.flatMap((front, index) => {
      const share = part.filter((_, number) => number === 0 || number % plan.fronts.length === index);
      return Array.from({ length: plan.senders }, () => send(front, share));
    });
    await Promise.all(sending);
  };

  await sleep(Math.max(0, plan.atMs - (performance.now() - began)));
  await sendPart(files.slice(0, files.length - plan.late));
  if (plan.late > 0) {
    await sleep(plan.lateAfterMs);
    await sendPart(files.slice(-plan.late));
  }
  const [original] = study.instances;
  let altered: SyntheticInstance | null = null;
  if (plan.altered && original !== undefined && (await isLetGo(chaos, plan, original, began))) {
    const other = withOtherContent(original);
    const alteredFiles = await writeInstances([other], `${folder}/${plan.name}-again`);
    for (const front of plan.fronts) await send(front, alteredFiles);
    if (alteredFiles.every((file) => acknowledged.has(file))) altered = other;
  }
  return study.instances.map((instance, index): Told => {
    const file = files[index] ?? '';
    return {
      instance,
      study: plan.name,
      acknowledged: acknowledged.has(file),
      refusals: refusals.get(file) ?? 0,
      altered: instance === original ? altered : null,
    };
  });
}

/** Other pixels under the same tags are not seen by a front that still holds the first: only then are they sent. */
async function isLetGo(
  chaos: ChaosFarm,
  plan: StudyPlan,
  { orthancId }: SyntheticInstance,
  began: number,
): Promise<boolean> {
  const fronts = chaos.farm.fronts.filter(({ name }) => plan.fronts.includes(name));
  const isHeld = async (front: OrthancProcess): Promise<boolean> => {
    try {
      const signal = AbortSignal.timeout(2000);
      return (await front.fetch(`/instances/${orthancId}`, { signal })).status !== 404;
    } catch {
      // It may be dead or frozen: nobody knows.
      return true;
    }
  };
  while (performance.now() - began < giveUpAfterMs) {
    const held = await Promise.all(fronts.map(isHeld));
    if (!held.includes(true)) return true;
    await sleep(pauseMs);
  }
  return false;
}
