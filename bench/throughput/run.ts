import { rm } from 'node:fs/promises';
import { countInstances } from '../../test/support/farm.ts';
import type { OrthancProcess } from '../../test/support/orthanc-process.ts';
import { writeInstances } from '../../test/support/synthetic.ts';
import { tempDir } from '../../test/support/temp.ts';
import { until } from '../../test/support/wait.ts';
import { cpuSeconds, peakMemory, quantile } from '../support/figures.ts';
import type { Cell, Run } from './cell.ts';
import { checkAndClear } from './check.ts';
import { type Contender, type Rig, type Role, roles } from './contenders/contender.ts';
import { send } from './sender.ts';
import type { StudyToSend } from './workloads.ts';

/** A contender at full tilt for this long has lost something. */
const givenUpAfterMs = 600_000;
/** Asking the backends how much they hold costs them CPU, the same for every contender. */
const lookEveryMs = 50;

/**
 * Sends the studies once and measures until all of them is where it belongs.
 *
 * @throws Error when an image is not acknowledged, missing, doubled, of other content, or left on the front: then there are no figures
 */
export async function runOnce(
  cell: Cell,
  contender: Contender,
  rig: Rig,
  studies: readonly StudyToSend[],
): Promise<Run> {
  await using dir = await tempDir('throughput');
  const files = new Map<string, string>();
  const perAssociation: string[][] = Array.from({ length: cell.associations }, () => []);
  for (const [index, study] of studies.entries()) {
    const paths = await writeInstances(study.instances, `${dir.path}/${index}`);
    for (const [at, path] of paths.entries()) files.set(path, study.instances[at]?.orthancId ?? '');
    perAssociation[index % cell.associations]?.push(...paths);
  }
  const instances = studies.flatMap((study) => study.instances);
  const bytes = instances.reduce((sum, { file }) => sum + file.length, 0);

  const cpuBefore = cpuOf(rig);
  // A sender that fails ends the run, and nobody may go on asking: the next run would be measured beside that.
  using over = abortedAtEnd();
  const arrival = arrived(rig.backends, instances.length, over.signal);
  // Reported where it is awaited; a sender that fails first must not leave it unhandled.
  arrival.catch(() => undefined);
  const sent = await send({
    port: rig.dicomPort,
    perAssociation: perAssociation.filter((part) => part.length > 0),
    noDelay: cell.noDelay,
  });
  const arrivedAt = await arrival;
  if (rig.front !== null) await emptied(rig.front);
  const cpuAfter = cpuOf(rig);
  const memory = {
    front: memoryOf(rig, 'front'),
    service: memoryOf(rig, 'service'),
    backends: memoryOf(rig, 'backends'),
  };

  const provenAt = await rig.provenAt(studies.map(({ studyUid }) => studyUid));
  let lastAt = arrivedAt;
  const provenMs: number[] = [];
  if (provenAt !== null) {
    for (const [file, acknowledgedAt] of sent.acknowledgedAt) {
      const at = provenAt.get(files.get(file) ?? '');
      if (at === undefined) throw new Error(`${file} has no receipt`);
      // Receipts bear whole milliseconds, rounded down.
      provenMs.push(Math.max(0, at + 0.5 - acknowledgedAt));
    }
    lastAt = Math.max(...provenAt.values());
  }
  await checkAndClear(rig.backends, studies, contender.keepsStudiesWhole);
  await rm(dir.path, { recursive: true, force: true });

  const seconds = (Math.max(lastAt, sent.endedAt) - sent.beganAt) / 1000;
  const cpu = (role: Role): number => (1000 * (cpuAfter[role] - cpuBefore[role])) / instances.length;
  return {
    instances: instances.length,
    bytes,
    seconds,
    instancesPerSecond: instances.length / seconds,
    megabytesPerSecond: bytes / seconds / 1e6,
    senderSeconds: (sent.endedAt - sent.beganAt) / 1000,
    cpuMs: {
      front: cpu('front'),
      service: cpu('service'),
      backends: cpu('backends'),
      all: roles.reduce((sum, role) => sum + cpu(role), 0),
    },
    memory,
    provenMs: provenAt === null ? null : { p50: quantile(provenMs, 0.5), p99: quantile(provenMs, 0.99) },
  };
}

function abortedAtEnd(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  return { signal: controller.signal, [Symbol.dispose]: () => controller.abort() };
}

/** When the backends hold so many together, epoch milliseconds; or when nobody wants to know any more. */
async function arrived(
  backends: readonly OrthancProcess[],
  expected: number,
  signal: AbortSignal,
): Promise<number> {
  await until(
    async () => {
      if (signal.aborted) return true;
      const counts = await Promise.all(backends.map(countInstances));
      return counts.reduce((sum, count) => sum + count, 0) >= expected;
    },
    { what: `${expected} instances on the backends`, timeoutMs: givenUpAfterMs, intervalMs: lookEveryMs },
  );
  return performance.timeOrigin + performance.now();
}

/** Waits until nothing is on this front any more. */
export async function emptied(front: OrthancProcess): Promise<void> {
  await until(async () => (await countInstances(front)) === 0, {
    what: 'the front to be empty',
    timeoutMs: givenUpAfterMs,
    intervalMs: 100,
  });
}

function cpuOf(rig: Rig): Record<Role, number> {
  const of = (role: Role): number => rig.pids[role].reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  return { front: of('front'), service: of('service'), backends: of('backends') };
}

function memoryOf(rig: Rig, role: Role): number {
  return rig.pids[role].reduce((sum, pid) => sum + peakMemory(pid), 0);
}
