import type { ServiceProcess } from './service-process.ts';
import type { SyntheticInstance } from './synthetic.ts';
import { until } from './wait.ts';

/** Sends it as a modality would: again, while the front says "not now", as it does for a moment after the first of two of a kind. */
export async function uploadInstance(
  service: Pick<ServiceProcess, 'request'>,
  { file }: SyntheticInstance,
): Promise<void> {
  await until(
    async () => {
      const answer = await service.request('/api/v1/instances', {
        method: 'POST',
        headers: { 'content-type': 'application/dicom' },
        body: new Uint8Array(file),
      });
      if (!answer.ok) throw new Error(await answer.text());
      return true;
    },
    { what: 'the front to take the image', intervalMs: 100 },
  );
}
