import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { sendDicom } from '../support/dicom-sender.ts';
import type { Farm } from '../support/farm.ts';
import { type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';

/**
 * Sends them to the front by C-STORE until every one is acknowledged; what is refused is sent again, as a modality does. The files
 * stand in the farm's folder and go with it.
 */
export async function send(farm: Farm, instances: readonly SyntheticInstance[]): Promise<void> {
  const folder = await mkdtemp(join(farm.home, 'sent-'));
  let left: readonly string[] = await writeInstances(instances, folder);
  await until(
    async () => {
      const answers = await sendDicom(left, { port: farm.front.dicomPort });
      left = answers.filter((answer) => !answer.acknowledged).map((answer) => answer.file);
      return left.length === 0;
    },
    { what: 'every image to be acknowledged' },
  );
}
