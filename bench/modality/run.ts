import { join } from 'node:path';
import { countInstances } from '../../test/support/farm.ts';
import { type OrthancProcess, startOrthanc } from '../../test/support/orthanc-process.ts';
import { makeStudy, writeInstances } from '../../test/support/synthetic.ts';
import { tempDir } from '../../test/support/temp.ts';
import { until } from '../../test/support/wait.ts';
import { quantile } from '../support/figures.ts';
import { checkAndClear } from '../throughput/check.ts';
import { dde } from '../throughput/contenders/dde.ts';
import { emptied } from '../throughput/run.ts';
import type { StudyToSend } from '../throughput/workloads.ts';
import { type Cell, imagesOf, imagesPerSecond, images as kinds } from './cells.ts';
import type { Job } from './job.ts';
import type { Modalities } from './modalities.ts';

/** Where a modality sends to: an Orthanc that does nothing else, or this project's front. */
export const targets = ['plain', 'front'] as const;
export type TargetName = (typeof targets)[number];

export interface Target {
  readonly name: TargetName;
  readonly dicomPort: number;
  /** Where the images must be in the end. */
  readonly keepers: readonly OrthancProcess[];
  /** What must be empty in the end; null: it keeps them itself. */
  readonly front: OrthancProcess | null;
}

/** What modalities saw in one run. */
export interface Run {
  /** Milliseconds from an image's first byte to its acknowledgement. */
  readonly p50: number;
  readonly p99: number;
  /** Medians over the associations, milliseconds. */
  readonly associateMs: number;
  readonly releaseMs: number;
  /** All associations together. */
  readonly imagesPerSecond: number;
}

/** What an image at full tilt needs at the very most. */
const givenUpAfterMs = 300_000;

/** This project's farm, and an Orthanc with the very configuration of its front but for the hook. */
export async function startTargets(
  stack: AsyncDisposableStack,
): Promise<Readonly<Record<TargetName, Target>>> {
  const { front, backends, dicomPort } = stack.use(await dde.start());
  if (front === null) throw new Error('this project has a front');
  const plain = stack.use(
    await startOrthanc({
      name: 'plain',
      configFiles: [join(front.folder, 'orthanc.json')],
      config: { LuaScripts: [] },
      env: { DDE_FRONT_PASSWORD: front.password },
      password: front.password,
    }),
  );
  return {
    plain: { name: 'plain', dicomPort: plain.dicomPort, keepers: [plain], front: null },
    front: { name: 'front', dicomPort, keepers: backends, front },
  };
}

/**
 * Sends one study over each association, and returns what the modalities saw of it.
 *
 * @throws Error when an image is not acknowledged, missing, doubled, of other content, or left on the front: then there are no figures
 */
export async function runOnce(
  cell: Cell,
  target: Target,
  modalities: Modalities,
  { most, seed }: { readonly most: number; readonly seed: string },
): Promise<Run> {
  const { modality, bytes } = kinds[cell.image];
  const studies: StudyToSend[] = Array.from({ length: cell.associations }, (_, index) => {
    const options = { seed: `modality-${seed}-${index}`, modality, instances: imagesOf(cell, most), bytes };
    const { studyUid, instances } = makeStudy(options);
    return { studyUid, instances };
  });
  await using dir = await tempDir('modality');
  const paceMs = cell.speed === 'full' ? null : 1000 / imagesPerSecond(cell.associations);
  const jobs: Job[] = [];
  for (const [index, { instances }] of studies.entries())
    jobs.push({
      port: target.dicomPort,
      files: await writeInstances(instances, `${dir.path}/${index}`),
      callingAet: `MODALITY${index + 1}`,
      noDelay: cell.noDelay,
      paceMs,
      // Machines that know nothing of each other do not begin their images at the same moment.
      offsetMs: ((paceMs ?? 0) * index) / cell.associations,
    });
  const seen = await modalities.send(jobs);
  await settled(target, studies);
  await checkAndClear(target.keepers, studies, true);

  const storeMs = seen.flatMap((one) => one.storeMs);
  return {
    p50: quantile(storeMs, 0.5),
    p99: quantile(storeMs, 0.99),
    associateMs: quantile(
      seen.map(({ associateMs }) => associateMs),
      0.5,
    ),
    releaseMs: quantile(
      seen.map(({ releaseMs }) => releaseMs),
      0.5,
    ),
    imagesPerSecond: seen.reduce((sum, one) => sum + one.storeMs.length / one.seconds, 0),
  };
}

/** Everything is where it belongs: the next run begins on an idle machine. */
async function settled({ keepers, front }: Target, studies: readonly StudyToSend[]): Promise<void> {
  const expected = studies.reduce((sum, { instances }) => sum + instances.length, 0);
  await until(
    async () => {
      const counts = await Promise.all(keepers.map(countInstances));
      return counts.reduce((sum, count) => sum + count, 0) >= expected;
    },
    { what: `${expected} instances to arrive`, timeoutMs: givenUpAfterMs, intervalMs: 100 },
  );
  if (front !== null) await emptied(front);
}
