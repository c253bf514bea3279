import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { sendDicom } from '../../test/support/dicom-sender.ts';
import type { Farm } from '../../test/support/farm.ts';
import { type Modality, makeStudy, writeInstances } from '../../test/support/synthetic.ts';

interface Station {
  readonly aet: string;
  readonly modality: Modality;
  readonly station: string;
  readonly instances: number;
  readonly bytes: number;
  /** From the end of a study to the beginning of the next. */
  readonly pauseMs: number;
}

const stations: readonly Station[] = [
  { aet: 'CT-ER', modality: 'CT', station: 'CT-ER', instances: 40, bytes: 120_000, pauseMs: 2_500 },
  { aet: 'CT-2', modality: 'CT', station: 'CT-ROOM-2', instances: 60, bytes: 90_000, pauseMs: 4_000 },
  { aet: 'MR-3T', modality: 'MR', station: 'MR-3T-A', instances: 30, bytes: 60_000, pauseMs: 3_000 },
  { aet: 'MR-15T', modality: 'MR', station: 'MR-15T-B', instances: 24, bytes: 50_000, pauseMs: 3_500 },
  { aet: 'XR-ER', modality: 'CR', station: 'XR-ER', instances: 2, bytes: 2_000_000, pauseMs: 3_000 },
  { aet: 'US-OBS', modality: 'US', station: 'US-OBS-1', instances: 8, bytes: 200_000, pauseMs: 2_000 },
];

/** A few modalities of a hospital, each sending one study after the other to its front, until they are stopped. */
export function startModalities(farm: Farm): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const all = stations.map(async (one, index) => {
    const front = farm.fronts[index % farm.fronts.length] ?? farm.front;
    for (let number = 0; !stopping.signal.aborted; number++) {
      const study = makeStudy({ ...one, seed: `${one.aet}-${number}` });
      const files = await writeInstances(study.instances, join(farm.folder, one.aet, String(number)));
      await sendDicom(files, { port: front.dicomPort, callingAet: one.aet });
      await pause(one.pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  });
  return {
    async stop() {
      stopping.abort();
      await Promise.all(all);
    },
  };
}
