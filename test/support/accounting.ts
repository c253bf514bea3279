import { expect } from 'vitest';
import { type Farm, holdings } from './farm.ts';
import type { SyntheticInstance } from './synthetic.ts';

/**
 * The one thing everything exists for: each acknowledged instance is on exactly one backend, with the content that was sent,
 * and each study on one backend only.
 */
export async function expectDelivered(
  farm: Farm,
  acknowledged: readonly SyntheticInstance[],
): Promise<ReadonlyMap<string, string>> {
  const held = new Map<string, Map<string, string>>();
  for (const [name, backend] of farm.backends) held.set(name, await holdings(backend));

  const studyOn = new Map<string, string>();
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
  }
  expect(wrong).toEqual([]);
  return studyOn;
}

/**
 * The MD5 a backend recorded is that of the file the front formed, which is not byte for byte what the modality had: a
 * DICOM association carries the data set, and the receiver writes its own file header. So the pixel data is compared.
 */
export async function expectSamePixels(
  farm: Farm,
  backend: string,
  instance: SyntheticInstance,
): Promise<void> {
  const answer = await farm.backend(backend).fetch(`/instances/${instance.orthancId}/frames/0/raw`);
  expect(answer.status, `pixels of ${instance.sopUid}`).toBe(200);
  const pixels = Buffer.from(await answer.arrayBuffer());
  expect(instance.file.includes(pixels), `pixels of ${instance.sopUid} are those that were sent`).toBe(true);
}
