import { type Farm, holdings } from './farm.ts';
import type { OrthancProcess } from './orthanc-process.ts';
import type { SyntheticInstance } from './synthetic.ts';

export interface Account {
  /** Acknowledged instances that are not on exactly one backend, and studies that are on several: a sentence each. */
  readonly wrong: readonly string[];
  /** Study → the backend that holds it. */
  readonly studyOn: ReadonlyMap<string, string>;
  /** Instance → the MD5 its backend recorded. */
  readonly md5s: ReadonlyMap<string, string>;
}

/**
 * The one thing everything exists for: each acknowledged instance is on exactly one backend, and each study on one backend
 * only. Asked of the backends themselves, never of the service.
 */
export async function accountFor(
  farm: Pick<Farm, 'backends'>,
  acknowledged: readonly Pick<SyntheticInstance, 'orthancId' | 'studyUid' | 'sopUid'>[],
): Promise<Account> {
  const held = new Map<string, Map<string, string>>();
  for (const [name, backend] of farm.backends) held.set(name, await holdings(backend));

  const studyOn = new Map<string, string>();
  const md5s = new Map<string, string>();
  const wrong: string[] = [];
  for (const instance of acknowledged) {
    const on = [...held].filter(([, ids]) => ids.has(instance.orthancId)).map(([name]) => name);
    const [backend] = on;
    if (backend === undefined || on.length > 1) {
      wrong.push(`${instance.sopUid} is on ${on.length === 0 ? 'no backend' : on.join(' and ')}`);
      continue;
    }
    const before = studyOn.get(instance.studyUid) ?? backend;
    if (before !== backend) wrong.push(`${instance.studyUid} is on ${before} and ${backend}`);
    studyOn.set(instance.studyUid, before);
    md5s.set(instance.orthancId, held.get(backend)?.get(instance.orthancId) ?? '');
  }
  return { wrong, studyOn, md5s };
}

/**
 * Whether a backend has the pixels that were sent. Not the whole file: an association carries the data set, and the receiver
 * writes a file header of its own, so that the file a front forms is not byte for byte the modality's.
 */
export async function hasSamePixels(backend: OrthancProcess, instance: SyntheticInstance): Promise<boolean> {
  const answer = await backend.fetch(`/instances/${instance.orthancId}/frames/0/raw`);
  return answer.ok && instance.file.includes(Buffer.from(await answer.arrayBuffer()));
}
