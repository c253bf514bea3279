import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { sendAllDicom } from '../support/dicom-sender.ts';
import type { Farm } from '../support/farm.ts';
import { type SyntheticInstance, writeInstances } from '../support/synthetic.ts';

/** Sends them to the front by C-STORE; every one must be acknowledged. The files stand in the farm's folder and go with it. */
export async function send(farm: Farm, instances: readonly SyntheticInstance[]): Promise<void> {
  const folder = await mkdtemp(join(farm.home, 'sent-'));
  await sendAllDicom(await writeInstances(instances, folder), { port: farm.front.dicomPort });
}
