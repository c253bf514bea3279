import type { Contender } from './contender.ts';
import { startBackend, stopAll } from './orthancs.ts';

/** What there would be without any router: the upper limit, since each image is stored once. */
export const straight: Contender = {
  name: 'straight',
  letter: 'a',
  title: 'straight to one backend',
  share: 1,
  warmUps: 1,
  keepsStudiesWhole: true,
  async start() {
    const backend = await startBackend('orthanc1');
    return {
      dicomPort: backend.dicomPort,
      backends: [backend],
      front: null,
      pids: { front: [], service: [], backends: [backend.pid] },
      provenAt: () => Promise.resolve(null),
      [Symbol.asyncDispose]: () => stopAll([backend]),
    };
  },
};
