import { expect } from 'vitest';
import { accountFor, hasSamePixels } from '../support/accounting.ts';
import type { Farm } from '../support/farm.ts';
import type { SyntheticInstance } from '../support/synthetic.ts';

/** Every acknowledged instance on exactly one backend, every study on one; answers which. */
export async function expectDelivered(
  farm: Pick<Farm, 'backends'>,
  acknowledged: readonly SyntheticInstance[],
): Promise<ReadonlyMap<string, string>> {
  const { wrong, studyOn } = await accountFor(farm, acknowledged);
  expect(wrong).toEqual([]);
  return studyOn;
}

export async function expectSamePixels(
  farm: Farm,
  backend: string,
  instance: SyntheticInstance,
): Promise<void> {
  expect(await hasSamePixels(farm.backend(backend), instance), `pixels of ${instance.sopUid}`).toBe(true);
}
