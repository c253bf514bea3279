import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { OrthancProcess } from '../../test/support/orthanc-process.ts';
import type { StudyToSend } from './workloads.ts';

const atATime = 4;

/**
 * Every image that was sent must be on exactly one backend, its data set byte for byte what was sent, and nothing else may be there. What is
 * right is then deleted, so that every run begins with empty backends. Read from the backends themselves.
 *
 * @throws Error with the first ten things that are wrong
 */
export async function checkAndClear(
  backends: readonly OrthancProcess[],
  studies: readonly StudyToSend[],
  studiesWhole: boolean,
): Promise<void> {
  const heldBy = new Map<string, OrthancProcess[]>();
  for (const backend of backends)
    for (const id of await instancesOf(backend)) heldBy.set(id, [...(heldBy.get(id) ?? []), backend]);

  const wrong: string[] = [];
  const next = studies.values();
  const checker = async (): Promise<void> => {
    for (const { studyUid, instances } of next) {
      const places = new Set<string>();
      for (const { orthancId, sopUid, file } of instances) {
        const [backend, ...others] = heldBy.get(orthancId) ?? [];
        heldBy.delete(orthancId);
        if (backend === undefined || others.length > 0) {
          wrong.push(
            `${sopUid} is on ${backend === undefined ? 'no backend' : `${others.length + 1} backends`}`,
          );
          continue;
        }
        places.add(backend.name);
        const answer = await backend.fetch(`/instances/${orthancId}/file`);
        if (!answer.ok) wrong.push(`${sopUid}: ${backend.name} answers ${answer.status}`);
        else if (md5(dataSetOf(Buffer.from(await answer.arrayBuffer()))) !== md5(dataSetOf(file)))
          wrong.push(`${sopUid} has other content on ${backend.name}`);
      }
      if (studiesWhole && places.size > 1) wrong.push(`${studyUid} is on ${[...places].join(' and ')}`);
    }
  };
  await Promise.all(Array.from({ length: atATime }, checker));
  if (heldBy.size > 0) wrong.push(`${heldBy.size} instances on the backends were never sent`);
  if (wrong.length > 0) throw new Error(wrong.slice(0, 10).join('\n'));

  for (const backend of backends) {
    const answer = await backend.fetch('/tools/bulk-delete', {
      method: 'POST',
      body: JSON.stringify({ Resources: await instancesOf(backend) }),
    });
    if (!answer.ok) throw new Error(`${backend.name} could not be emptied: ${answer.status}`);
  }
}

async function instancesOf(backend: OrthancProcess): Promise<readonly string[]> {
  return z.array(z.string()).parse(await (await backend.fetch('/instances')).json());
}

/** Without preamble and file header, which every receiver writes anew (PS3.10, 7.1). */
function dataSetOf(file: Buffer): Buffer {
  return file.subarray(144 + file.readUInt32LE(140));
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
