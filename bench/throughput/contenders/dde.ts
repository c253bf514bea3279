import { join } from 'node:path';
import { startFarm } from '../../../test/support/farm.ts';
import { receiptsOf } from '../../support/api.ts';
import type { Contender } from './contender.ts';
import { durable } from './orthancs.ts';

/**
 * This project as a user has it, proof and all. Only what a run would wait for without doing anything is shorter: the front lets go of a
 * proven study after a second of rest instead of a minute.
 */
export const dde: Contender = {
  name: 'dde',
  letter: 'e',
  title: 'dynamic-dicom-endpoints, proof on',
  share: 1,
  // V8 compiles what is run often, and goes on doing so for some thousand images.
  warmUps: 3,
  keepsStudiesWhole: true,
  async start() {
    const farm = await startFarm({
      settle: '1 s',
      routing: { reconcile: '*/5 * * * * *' },
      history: { sample: '5 s' },
      serviceEnv: { DDE_LOG_LEVEL: 'info' },
      orthancConfig: { front: durable, orthanc1: durable, orthanc2: durable },
    });
    const backends = [...farm.backends.values()];
    return {
      dicomPort: farm.front.dicomPort,
      backends,
      front: farm.front,
      ledger: join(farm.home, 'ledger.sqlite'),
      pids: {
        front: [farm.front.pid],
        service: [farm.service.pid],
        backends: backends.map(({ pid }) => pid),
      },
      async provenAt(studyUids) {
        const at = new Map<string, number>();
        for (const uid of studyUids)
          for (const receipt of await receiptsOf(farm, uid))
            at.set(receipt.orthancId, Date.parse(receipt.at));
        return at;
      },
      [Symbol.asyncDispose]: () => farm.stop(),
    };
  },
};
