import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { sendAllDicom } from '../support/dicom-sender.ts';
import type { Farm } from '../support/farm.ts';
import { makeStudy, type StudyOptions, type SyntheticStudy, writeInstances } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';

export interface Seen {
  readonly state: string;
  readonly backend: string | null;
  readonly waiting: string | null;
}

export const seen = (farm: Farm, uid: string): Promise<Seen> =>
  farm.service.get<Seen>(`/api/v1/studies/${encodeURIComponent(uid)}`);

/** A study C-STOREd to the front by a modality of this AE title. */
export async function sendStudy(
  farm: Farm,
  options: StudyOptions = {},
  callingAet = 'CT-1',
): Promise<SyntheticStudy> {
  const study = makeStudy({ instances: 3, ...options });
  const files = await writeInstances(study.instances, join(farm.folder, 'sent', study.studyUid));
  await sendAllDicom(files, { port: farm.front.dicomPort, callingAet });
  return study;
}

/** Sent, proven, and let go by the front. @returns where it is */
export async function deliver(
  farm: Farm,
  options: StudyOptions = {},
  callingAet = 'CT-1',
): Promise<SyntheticStudy & { readonly backend: string }> {
  const study = await sendStudy(farm, options, callingAet);
  const { backend } = await until(
    async () => {
      const found = await seen(farm, study.studyUid);
      return found.state === 'removed' && found.backend !== null ? { backend: found.backend } : null;
    },
    { what: 'the study to be delivered', timeoutMs: 30_000 },
  );
  return { ...study, backend };
}

export async function setState(
  farm: Farm,
  backend: string,
  state: 'ready' | 'drain' | 'maint',
): Promise<void> {
  const answer = await farm.service.request(`/api/v1/backends/${backend}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ state }),
  });
  if (!answer.ok) throw new Error(`${backend} could not be set to ${state}: ${answer.status}`);
}

/** The backends the front knows as peers. */
export async function peersOf(farm: Farm): Promise<string[]> {
  return z.array(z.string()).parse(await (await farm.front.fetch('/peers')).json());
}

/** After C-STORE an Orthanc has written its own file header; what follows the pixels' tag is the same. */
export function pixelsOf(file: Buffer): string {
  const at = file.lastIndexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00]));
  return createHash('md5').update(file.subarray(at)).digest('hex');
}
